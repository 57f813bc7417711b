/** Until when a case is out of sight: a few moments that are often meant, or any other. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { doAll } from "./bulk.ts";
import { Dialog } from "./parts/dialog.tsx";
import { texts, t } from "./words.ts";
import { useDesk } from "./use-desk.ts";

const HOUR = 3_600_000;
const MORNING = 9;

export interface Preset {
  name: "snooze.hour" | "snooze.three" | "snooze.tomorrow" | "snooze.monday" | "snooze.week";
  until: Date;
}

/** In the agent's own time: mornings begin at nine; a Monday is never today. */
export function presets(now: number): Preset[] {
  const morning = (days: number): Date => {
    const day = new Date(now);
    return new Date(day.getFullYear(), day.getMonth(), day.getDate() + days, MORNING);
  };
  const toMonday = ((8 - new Date(now).getDay()) % 7) || 7;
  return [
    { name: "snooze.hour", until: new Date(now + HOUR) },
    { name: "snooze.three", until: new Date(now + 3 * HOUR) },
    { name: "snooze.tomorrow", until: morning(1) },
    ...(toMonday === 1 ? [] : [{ name: "snooze.monday" as const, until: morning(toMonday) }]),
    { name: "snooze.week", until: morning(7) },
  ];
}

export function Snooze({ cases, onClose }: { cases: readonly string[]; onClose: () => void }): JSX.Element {
  const desk = useDesk();
  const [own, setOwn] = useState("");
  const [trouble, setTrouble] = useState("");
  const shown = desk.selected.value === undefined ? undefined : desk.caseOf(desk.selected.value);
  const ids = cases.length ? cases : shown ? [shown.id] : [];
  const until = (moment: Date): void => {
    onClose();
    const [first] = ids;
    const row = ids.length === 1 && first !== undefined ? desk.cases.peek().get(first) : undefined;
    void (row ? desk.act.snooze(row, moment) : doAll(desk, ids, (each) => desk.act.bare.snooze(each, moment)));
  };
  const say = new Intl.DateTimeFormat(texts.language.value, { weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  return (
    <Dialog label={t("snooze.title")} kind="small" onClose={onClose}>
      <header>
        <h2>{t("snooze.title")}</h2>
        <kbd>Esc</kbd>
      </header>
      <div class="presets">
        {presets(desk.now.peek()).map(({ name, until: moment }) => (
          <button type="button" key={name} data-first onClick={() => { until(moment); }}>
            <span>{t(name)}</span>
            <span class="num">{say.format(moment)}</span>
          </button>
        ))}
      </div>
      <form
        class="own-time"
        onSubmit={(event) => {
          event.preventDefault();
          const moment = new Date(own);
          if (Number.isNaN(moment.getTime()) || moment.getTime() <= desk.now.peek()) setTrouble(t("snooze.past"));
          else until(moment);
        }}
      >
        <label>
          {t("snooze.own")}
          <input class="field" type="datetime-local" required value={own} onInput={(event) => { setOwn(event.currentTarget.value); }} />
        </label>
        <button type="submit" class="btn">
          {t("snooze.go")}
        </button>
        {trouble && <p role="alert">{trouble}</p>}
      </form>
    </Dialog>
  );
}
