/** One conversation in the list. */

import { chat, mail, pencil, plane } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { plain } from "@deskbell/ui/markup.ts";
import type { JSX } from "preact";
import { memo } from "preact/compat";
import type { Row } from "../records.ts";
import { linkTo, place } from "../route.ts";
import { Avatar } from "../parts/avatar.tsx";
import { LabelChip, OwnerChip, ownerOf, PriorityMark, TimerMark } from "../parts/marks.tsx";
import { useDesk } from "../use-desk.ts";
import { nameOfUser } from "../visitors.ts";
import { t } from "../words.ts";
import { pick, picked, shownRooms } from "./shown.ts";

const LABELS = 2;
const VIEWERS = 3;

interface RowProps {
  row: Row;
  top: number;
  at: number;
  of: number;
  gone: boolean;
}

export const ListRow = memo(function ListRow({ row, top, at, of, gone }: RowProps): JSX.Element {
  const desk = useDesk();
  const now = place.value;
  const list = now.screen === "inbox" ? now.list : "mine";
  const selected = desk.selected.value === row.room;
  const unread = desk.unread.value.get(row.room)?.unread ?? 0;
  const id = row.case?.id;
  const name = nameOf(row);
  return (
    <li
      class={`row${selected ? " sel" : ""}${unread ? " new" : ""}${gone ? " gone" : ""}${id && picked.value.has(id) ? " picked" : ""}`}
      style={{ top: `${top}px` }}
      aria-posinset={at}
      aria-setsize={of}
    >
      <a {...linkTo({ screen: "inbox", list, room: row.room, ...(row.message !== undefined && { message: row.message }) })} class="to" data-row={row.room} aria-current={selected ? "true" : undefined}>
        <Avatar user={row.visitor ?? { id: row.room, name, avatar: null }}>
          <span class="ch">
            <Icon of={channelGlyph(row.channel_type)} size={12} />
          </span>
        </Avatar>
        <span class="text">
          <span class="a">
            <span class="name cut" dir="auto">
              {name}
            </span>
            <TimerMark of={row.case} last={row.last?.created_at} />
          </span>
          <LastLine row={row} />
          <Marks row={row} unread={unread} />
        </span>
      </a>
      {id && (
        <label class="pick">
          <input
            type="checkbox"
            checked={picked.value.has(id)}
            aria-label={t("list.pick", { name })}
            onClick={(event) => {
              pick(id, order(desk.caseOf.bind(desk)), event.shiftKey);
            }}
          />
        </label>
      )}
    </li>
  );
});

function order(caseOf: (room: string) => { id: string } | undefined): string[] {
  return shownRooms.peek().flatMap((room) => caseOf(room)?.id ?? []);
}

export function nameOf(row: Row): string {
  return nameOfUser(row.visitor ?? { id: row.room, name: "" });
}

export function LastLine({ row }: { row: Row }): JSX.Element {
  const me = useDesk().me.value.user.id;
  const { last } = row;
  if (!last) return <span class="last cut">{row.site ?? t("list.silent")}</span>;
  const { sender, note } = last;
  const mine = sender.id === me;
  const who = mine ? t("list.you") : sender.kind === "bot" ? t("list.bot.says") : sender.kind === "agent" ? `${sender.name.split(" ")[0] ?? ""}:` : "";
  return (
    <span class="last">
      {note && <em class="n">{t("list.note")} </em>}
      {who && <em><bdi>{who}</bdi> </em>}
      <span class="cut" dir="auto">{plain(last.text) || t("list.wordless")}</span>
    </span>
  );
}

function Marks({ row, unread }: { row: Row; unread: number }): JSX.Element {
  const desk = useDesk();
  const labels = (row.case?.labels ?? []).flatMap((id) => desk.labels.value.find((label) => label.id === id) ?? []);
  const viewers = desk.viewing.value.get(row.room) ?? [];
  return (
    <span class="m">
      <OwnerChip of={ownerOf(row)} />
      <PriorityMark priority={row.case?.priority ?? 0} />
      {labels.slice(0, LABELS).map((label) => (
        <LabelChip label={label} key={label.id} />
      ))}
      {labels.length > LABELS && <span class="lab">+{labels.length - LABELS}</span>}
      <span class="end">
        {desk.drafts.value.has(row.room) && (
          <span class="draft" role="img" aria-label={t("list.draft")}>
            <Icon of={pencil} size={16} />
          </span>
        )}
        {viewers.length > 0 && (
          <span class="viewers" role="img" aria-label={t("list.viewing", { names: viewers.map(({ name }) => name).join(", ") })}>
            {viewers.slice(0, VIEWERS).map((user) => (
              <Avatar user={user} size="t" key={user.id} />
            ))}
          </span>
        )}
        {unread > 0 && (
          <span class="count" role="img" aria-label={t("list.unread", { n: unread })}>
            {unread > 99 ? "99+" : unread}
          </span>
        )}
      </span>
    </span>
  );
}

export function channelGlyph(type = ""): string {
  if (/mail/.test(type)) return mail;
  if (/telegram|whatsapp|sms|signal/.test(type)) return plane;
  return chat;
}
