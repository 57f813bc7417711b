/** Who it is, where they write from, who answers, and what one can do about the conversation as a whole. */

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import * as draw from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { show } from "../overlays.ts";
import { keyLine } from "../parts/keycaps.tsx";
import { Menu, type MenuItem } from "../parts/menu.tsx";
import { useDesk } from "../use-desk.ts";
import { t } from "../words.ts";
import { Face } from "./face.tsx";
import { clock, lineOf } from "./owner.ts";
import type { Talk } from "./talk.ts";

export function Header({ talk }: { talk: Talk }): JSX.Element {
  const desk = useDesk();
  const { conversation } = talk;
  const row = conversation.case.value;
  const now = talk.answering.value;
  const name = conversation.visitor.value?.name ?? "";
  const where = usePlace(conversation.id);
  const channel = row?.site ?? channelName(row?.channel_type ?? conversation.state.value?.channel_type ?? "");
  const viewing = desk.viewing.value.get(conversation.id) ?? [];
  const open = row && (row.status === "assigned" || row.status === "waiting" || row.status === "snoozed");
  return (
    <>
      <header class="t-head">
        <div class="t-who">
          <h1 dir="auto" class="cut">{name}</h1>
          <span class="cut" dir="auto">{[channel, where].filter(Boolean).join(" · ")}</span>
        </div>
        {viewing.length > 0 && (
          <span class="t-eyes" title={t("thread.viewing", { names: viewing.map((user) => user.name).join(", ") })}>
            {viewing.slice(0, 3).map((user) => <Face user={user} small key={user.id} />)}
            <span class="unseen">{t("thread.viewing", { names: viewing.map((user) => user.name).join(", ") })}</span>
          </span>
        )}
        {now && <OwnerControl talk={talk} />}
        {open && (
          <button type="button" class="ib" aria-label={t("thread.snooze")} title={hinted(t("thread.snooze"), "case.snooze")} onClick={() => { show({ kind: "snooze", cases: [row.id] }); }}>
            <Icon of={draw.moon} />
          </button>
        )}
        <Menu label={t("thread.more")} class="ib" items={more(talk)}>
          <Icon of={draw.more} />
        </Menu>
        {open && row.status === "assigned" && (
          <span class="split">
            <button type="button" class="btn ink" title={hinted(t("thread.resolve"), "case.resolve")} onClick={() => void talk.resolve()}>
              <Icon of={draw.check} size={16} />
              <span class="word">{t("thread.resolve")}</span>
            </button>
            <Menu label={t("thread.resolve.more")} class="btn ink" items={[{ title: t("thread.resolve.next"), icon: draw.check, run: () => { void talk.resolve(true); } }]}>
              <Icon of={draw.down} size={13} />
            </Menu>
          </span>
        )}
      </header>
      <div class={`counter ${now ? lineOf(now.side) : "none"}`} aria-hidden="true" />
    </>
  );
}

function OwnerControl({ talk }: { talk: Talk }): JSX.Element {
  const desk = useDesk();
  const { conversation } = talk;
  const row = conversation.case.value;
  const { side, user } = talk.answering.value ?? { side: "nobody" };
  const known = user === undefined ? undefined : (conversation.people.value.get(user) ?? desk.agents.value.find((agent) => agent.user.id === user)?.user);
  const since = row?.waiting_since ?? row?.opened_at;
  const item = (title: string, icon: string, act: () => unknown, keys?: string): MenuItem => ({ title, icon, keys, run: () => void act() });
  const takeOver = item(t(side === "waiting" ? "thread.accept" : "thread.take-over"), draw.bellRing, () => talk.takeOver(), keyLine("case.claim"));
  const assign = item(t("thread.assign"), draw.person, () => { show({ kind: "menu", page: "assign", ...(row ? { cases: [row.id] } : {}) }); }, keyLine("case.assign"));
  const toQueue = row && item(t("thread.to-queue"), draw.queue, () => desk.act.giveBack(row, "queue"));
  const toBot = row && item(t("thread.to-bot"), draw.bot, () => desk.act.giveBack(row, "bot"));
  switch (side) {
    case "bot":
      return <Owner class="bot" word={t("thread.owner.bot")} mark={<Icon of={draw.bot} size={16} />} items={[takeOver]} />;
    case "waiting":
      return (
        <Owner
          class="wait"
          word={`${t("thread.owner.waiting")} ${since ? clock(desk.now.value - Date.parse(since)) : ""}`}
          mark={<span class="bell-mark t"><Icon of={draw.bell} size={13} /></span>}
          items={[takeOver, row && assign, toBot].filter(Boolean)}
        />
      );
    case "me":
      return <Owner class="human" word={t("thread.owner.me")} mark={<Face user={desk.me.value.user} small />} items={[row && assign, toQueue, toBot].filter(Boolean)} />;
    case "colleague":
      return <Owner class="human" word={known?.name ?? t("thread.owner.colleague")} mark={<Face user={known} small />} items={row && desk.isLead ? [assign, toQueue].filter(Boolean) : []} />;
    case "over":
      return <Owner class="" word={t("thread.owner.over")} mark={<Icon of={draw.check} size={16} />} items={row ? [item(t("thread.reopen"), draw.retry, () => desk.act.reopen(row))] : [takeOver]} />;
    default:
      return <Owner class="" word={t("thread.owner.nobody")} mark={<Icon of={draw.person} size={16} />} items={[takeOver]} />;
  }
}

interface OwnerProps {
  class: string;
  word: string;
  mark: JSX.Element;
  items: (MenuItem | undefined)[];
}

function Owner({ class: className, word, mark, items }: OwnerProps): JSX.Element {
  if (items.length === 0) {
    return (
      <span class={`owner ${className}`}>
        {mark}
        <span class="cut num" dir="auto">{word}</span>
      </span>
    );
  }
  return (
    <Menu label={t("thread.owner", { who: word })} named={false} class={`owner ${className}`} items={items}>
      <span class="unseen">{t("thread.owner", { who: word })}</span>
      {mark}
      <span class="cut num" dir="auto" aria-hidden="true">{word}</span>
      <Icon of={draw.down} size={13} />
    </Menu>
  );
}

/** What a button does, with the key that does it too. */
function hinted(what: string, command: string): string {
  const keys = keyLine(command);
  return keys ? `${what} (${keys})` : what;
}

function more(talk: Talk): (MenuItem | undefined)[] {
  const row = talk.conversation.case.value;
  return [
    { title: t("thread.find"), icon: draw.search, keys: keyLine("thread.find"), run: () => { talk.finding.value = true; } },
    { title: t("thread.to-date"), icon: draw.clock, run: () => { talk.asking.value = { kind: "date" }; } },
    { title: t("thread.pins"), icon: draw.pin, run: () => { talk.asking.value = { kind: "pins" }; } },
    undefined,
    { title: t("thread.unread"), icon: draw.mail, keys: keyLine("thread.unread"), run: () => void talk.markUnread() },
    { title: t("thread.copy-link"), icon: draw.clip, run: () => void talk.copyLink() },
    ...(row ? [undefined, { title: t("thread.labels"), icon: draw.tag, keys: keyLine("case.labels"), run: () => { show({ kind: "menu", page: "labels", cases: [row.id] }); } }] : []),
    { title: t("thread.shortcuts"), icon: draw.help, keys: keyLine("window.shortcuts"), run: () => { show({ kind: "shortcuts" }); } },
  ];
}

/** The page the visitor writes from, where the server knows it. */
function usePlace(room: string): string {
  const desk = useDesk();
  const [where, setWhere] = useState("");
  useEffect(() => {
    let gone = false;
    desk.rest("GET", `/rooms/${room}/contact`).then(
      (found) => {
        const page = (found as { page?: { title?: unknown; url?: unknown } | null } | null)?.page;
        const named = [page?.title, page?.url].find((one) => typeof one === "string" && one !== "");
        if (!gone && typeof named === "string") setWhere(named.replace(/^https?:\/\//i, "").slice(0, 120));
      },
      () => undefined, // a server without it: the channel alone
    );
    return () => {
      gone = true;
    };
  }, [room]);
  return where;
}

function channelName(type: string): string {
  return type === "support" ? t("thread.channel.web") : type;
}
