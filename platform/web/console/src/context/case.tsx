/** The case, editable in place: each value is a button; what is chosen goes to the server, and shows when it is there. */

import { clock, warn } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { ComponentChildren, JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { LabelChip, PriorityMark } from "../parts/marks.tsx";
import type { CaseRow } from "../records.ts";
import { waitBar } from "../screens/board/wait.ts";
import { reasonWord } from "../reasons.ts";
import { Face } from "../screens/parts/face.tsx";
import { type Option, Picker } from "../screens/parts/picker.tsx";
import { lateOrLeft } from "../timers.ts";
import { useDesk } from "../use-desk.ts";
import { t } from "../words.ts";

const PRIORITIES = ["0", "1", "2"] as const;
const MOST_LABELS = 20;

export function CaseFacts({ row }: { row: CaseRow }): JSX.Element {
  const desk = useDesk();
  const open = row.status === "waiting" || row.status === "assigned" || row.status === "snoozed";
  const me = desk.me.value.user;
  const agent = row.agent ? desk.agents.value.find((one) => one.user.id === row.agent)?.user : undefined;
  const mine = row.agent === me.id;
  // Agents take what waits, and hand on what is theirs; supervisors give anything to anybody.
  const mayAssign = open && (desk.isLead || mine || row.agent === null);
  const everybody = desk.isLead || mine;
  const agents = desk.agents.value.filter((one) => everybody || one.user.id === me.id);
  const team = desk.teams.value.find((one) => one.slug === row.team)?.name ?? row.team;
  const labels = row.labels.map((id) => desk.labels.value.find((one) => one.id === id)).filter((one) => one !== undefined);
  const priority = PRIORITIES[row.priority] ?? "0";

  return (
    <dl class="cx-facts">
      <dt>{t("screens.context.assignee")}</dt>
      <dd>
        <Editable
          name={t("screens.context.assignee")}
          may={mayAssign}
          shows={row.agent ? <><Face of={agent ?? { id: row.agent, name: "", kind: "agent", avatar: null }} size="t" /><span class="cut" dir="auto">{mine ? t("screens.context.you", { name: me.name }) : (agent?.name ?? t("screens.context.colleague"))}</span></> : <span class="faint">{t("screens.context.nobody")}</span>}
          options={() => agents.map((one) => ({ id: one.user.id, name: one.user.name, icon: <Face of={one.user} size="t" />, more: t("screens.board.load", { n: one.load, of: one.capacity }) }))}
          choose={(id) => desk.act.assign(row, id)}
        />
      </dd>
      {row.team !== "*" && (
        <>
          <dt>{t("screens.board.team")}</dt>
          <dd>
            <Editable name={t("screens.board.team")} may={open && desk.teams.value.length > 1 && (desk.isLead || mine || row.agent === null)} shows={<span class="cut" dir="auto">{team}</span>} options={() => desk.teams.value.filter((one) => one.slug !== row.team).map((one) => ({ id: one.slug, name: one.name }))} choose={(slug) => desk.act.transfer(row, { team: slug })} />
          </dd>
        </>
      )}
      <dt>{t("screens.context.priority")}</dt>
      <dd>
        <Editable name={t("screens.context.priority")} may={open} shows={<><PriorityMark priority={row.priority} always />{t(`screens.priority.${priority}`)}</>} options={() => PRIORITIES.map((one) => ({ id: one, name: t(`screens.priority.${one}`), icon: <PriorityMark priority={Number(one)} always /> }))} choose={(one) => desk.act.priority(row, Number(one))} />
      </dd>
      <dt>{t("screens.context.labels")}</dt>
      <dd>
        <Editable
          name={t("screens.context.labels")}
          may
          several
          shows={labels.length ? <span class="cx-labels">{labels.map((one) => <LabelChip key={one.id} label={one} />)}</span> : <span class="faint">{t("screens.context.add_label")}</span>}
          options={() => desk.labels.value.filter((one) => !one.retired || row.labels.includes(one.id)).map((one) => ({ id: one.id, name: one.name, chosen: row.labels.includes(one.id), icon: <i class="cx-dot" style={one.color ? { background: one.color } : {}} /> }))}
          choose={(id) => {
            const next = row.labels.includes(id) ? row.labels.filter((one) => one !== id) : [...row.labels, id];
            return next.length > MOST_LABELS ? undefined : desk.act.labels(row, next);
          }}
        />
      </dd>
      <dt>{t("screens.context.reason")}</dt>
      <dd><span class="cut" dir="auto">{reasonWord(row.reason)}</span></dd>
      {typeof row.rating === "number" && (
        <>
          <dt>{t("screens.context.rated")}</dt>
          <dd>
            {t("screens.context.rating", { n: row.rating })}
            {row.rating_comment && <q dir="auto">{row.rating_comment}</q>}
          </dd>
        </>
      )}
      <Due row={row} />
    </dl>
  );
}

function Due({ row }: { row: CaseRow }): JSX.Element | null {
  const { now } = useDesk();
  if (!row.target_at || !(row.status === "waiting" || row.status === "assigned")) return null;
  const from = Date.parse(row.waiting_since ?? row.opened_at);
  const due = Date.parse(row.target_at);
  const { state } = waitBar(now.value - from, due - from);
  return (
    <>
      <dt>{t("screens.context.due")}</dt>
      <dd>
        <span class={`timer ${state === "late" ? "late" : state === "half" ? "mid" : ""}`}>
          {state !== "ok" && <Icon of={state === "late" ? warn : clock} size={13} />}
          {lateOrLeft(due - now.value)}
        </span>
      </dd>
    </>
  );
}

interface EditableProps {
  name: string;
  may: boolean;
  shows: ComponentChildren;
  options: () => Option[];
  choose: (id: string) => unknown;
  several?: boolean;
}

function Editable({ name, may, shows, options, choose, several = false }: EditableProps): JSX.Element {
  const [open, setOpen] = useState(false);
  const [busy, setBusy] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  if (!may) return <span class="cx-value">{shows}</span>;
  return (
    <span class="cx-edit">
      <button ref={button} type="button" class="cx-value" aria-busy={busy} aria-haspopup="listbox" aria-expanded={open} onClick={() => { setOpen(!open); }}>
        <span class="unseen">{t("screens.context.change", { name })} </span>
        {shows}
      </button>
      {open && (
        <Picker
          label={name}
          several={several}
          options={options()}
          close={() => { setOpen(false); button.current?.focus(); }}
          choose={async (id) => {
            if (busy) return;
            if (!several) {
              setOpen(false);
              button.current?.focus();
            }
            setBusy(true);
            await choose(id);
            setBusy(false);
          }}
        />
      )}
    </span>
  );
}

