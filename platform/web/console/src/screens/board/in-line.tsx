/** Who waits, the longest first: how long, as a bar against the target, what happens next, and giving it to somebody. */

import { clock, warn } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { plain } from "@deskbell/ui/markup.ts";
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import type { Agent, CaseRow } from "../../records.ts";
import { linkTo } from "../../route.ts";
import { useDesk } from "../../use-desk.ts";
import { nameOfUser } from "../../visitors.ts";
import { t } from "../../words.ts";
import { Picker } from "../parts/picker.tsx";
import { elapsed, since } from "../parts/moments.ts";
import { Empty } from "../parts/page.tsx";
import { Face } from "../parts/face.tsx";
import type { Board } from "../shapes.ts";
import { reasonWord } from "../../reasons.ts";
import { waitBar } from "./wait.ts";

interface InLineProps {
  board: Board;
  team: string;
  agents: Agent[];
  changed: () => void;
}

const SHOWN = 50;

export function InLine({ board, team, agents, changed }: InLineProps): JSX.Element {
  const desk = useDesk();
  const waiting = [...desk.cases.value.values()]
    .filter((row) => row.status === "waiting" && (!team || row.team === team))
    .sort((a, b) => b.priority - a.priority || (a.waiting_since ?? a.opened_at).localeCompare(b.waiting_since ?? b.opened_at));
  const shown = waiting.slice(0, SHOWN);
  const target = board.target_s > 0 ? t("screens.board.waiting_target", { target: elapsed(board.target_s * 1000) }) : t("screens.board.waiting_for");
  return (
    <section class="bo-line" aria-label={t("screens.board.in_line")}>
      <h2>{t("screens.board.in_line")} <small>{waiting.length}</small></h2>
      {waiting.length === 0 ? (
        <Empty>{t("screens.board.nobody")}</Empty>
      ) : (
        <table class="sc-table">
          <thead>
            <tr>
              <th scope="col"><span class="unseen">{t("screens.board.place")}</span></th>
              <th scope="col">{t("screens.board.visitor")}</th>
              <th scope="col">{t("screens.board.team")}</th>
              <th scope="col">{target}</th>
              <th scope="col">{t("screens.board.next")}</th>
              <th scope="col"><span class="unseen">{t("screens.actions")}</span></th>
            </tr>
          </thead>
          <tbody>
            {shown.map((row, at) => <Waiter key={row.id} row={row} place={at + 1} board={board} agents={agents} changed={changed} />)}
          </tbody>
        </table>
      )}
      {waiting.length > SHOWN && <p class="sc-faint">{t("screens.board.and_more", { n: waiting.length - SHOWN })}</p>}
    </section>
  );
}

interface WaiterProps extends Omit<InLineProps, "team"> {
  row: CaseRow;
  place: number;
}

function Waiter({ row, place, board, agents, changed }: WaiterProps): JSX.Element {
  const desk = useDesk();
  const team = desk.teams.value.find((one) => one.slug === row.team)?.name ?? row.team;
  const name = nameOfUser(row.visitor ?? { id: row.room, name: "" });
  const question = asked(row) || (row.last && plain(row.last.text)) || reasonWord(row.reason);
  return (
    <tr>
      <td class="num faint bo-place">{place}</td>
      <td class="bo-who">
        <a dir="auto" {...linkTo({ screen: "inbox", list: "all", room: row.room })}>{name}</a>
        <span class="bo-q" dir="auto">{question}</span>
      </td>
      <td data-of={t("screens.board.team")} dir="auto">{row.team === "*" ? t("screens.board.every_team") : team}</td>
      <td data-of={t("screens.board.waiting_for")}><Wait row={row} targetS={board.target_s} /></td>
      <td data-of={t("screens.board.next")} class="muted num"><NextStep row={row} /></td>
      <td><Assign row={row} agents={agents} changed={changed} name={name} /></td>
    </tr>
  );
}

/** What they asked, as it was handed over. */
function asked(row: CaseRow): string {
  const question = row.handover?.["question"];
  const text = typeof question === "object" && question !== null ? (question as { text?: unknown }).text : question;
  return typeof text === "string" ? plain(text) : "";
}

export function Wait({ row, targetS }: { row: CaseRow; targetS: number }): JSX.Element {
  const { now } = useDesk();
  const waited = since(row.waiting_since ?? row.opened_at, now.value);
  const { filled, state } = waitBar(waited, targetS * 1000);
  return (
    <span class={`bo-wt ${state}`}>
      <span class="bo-bar" aria-hidden="true">
        <i style={{ width: `${filled}%` }} />
        {targetS > 0 && <u />}
      </span>
      <span class={`timer ${state === "late" ? "late" : state === "half" ? "mid" : ""}`}>
        {state !== "ok" && <Icon of={state === "late" ? warn : clock} size={13} />}
        {state === "late" ? t("screens.board.time_late", { time: elapsed(waited) }) : elapsed(waited)}
      </span>
    </span>
  );
}

/** What the platform does by itself, and when, unless somebody takes it. */
function NextStep({ row }: { row: CaseRow }): JSX.Element | string {
  const { now } = useDesk();
  if (row.owner?.kind === "bot") return t("screens.board.next_bot");
  if (!row.deadline_at) return "–";
  const left = Date.parse(row.deadline_at) - now.value;
  return left > 0 ? t("screens.board.next_in", { time: elapsed(left) }) : t("screens.board.next_now");
}

function Assign({ row, agents, changed, name }: { row: CaseRow; agents: Agent[]; changed: () => void; name: string }): JSX.Element {
  const desk = useDesk();
  const [open, setOpen] = useState(false);
  const [busy, setBusy] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const order = [...agents].sort((a, b) => Number(b.accepting && b.load < b.capacity) - Number(a.accepting && a.load < a.capacity) || a.load - b.load);
  return (
    <span class="sc-acts bo-assign">
      <button ref={button} type="button" class="btn sm" aria-busy={busy} aria-haspopup="listbox" aria-expanded={open} aria-label={t("screens.board.assign_of", { name })} onClick={() => { setOpen(!open && !busy); }}>
        {t("screens.board.assign")}
      </button>
      {open && (
        <Picker
          label={t("screens.board.assign_of", { name })}
          options={order.map((agent) => ({
            id: agent.user.id,
            name: agent.user.name,
            icon: <Face of={agent.user} size="t" />,
            more: `${t(`screens.status.${agent.status}`)} · ${t("screens.board.load", { n: agent.load, of: agent.capacity })}`,
          }))}
          close={() => { setOpen(false); button.current?.focus(); }}
          choose={async (agent) => {
            setOpen(false);
            setBusy(true);
            await desk.act.assign(row, agent);
            setBusy(false);
            changed();
          }}
        />
      )}
    </span>
  );
}
