/** What is done with several conversations at once: how far it is, and what did not go. */

import { check, merge, moon, person, tag, x } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { JSX } from "preact";
import { bulk, ofOnePerson, resolveAll } from "../bulk.ts";
import { show } from "../overlays.ts";
import { useDesk } from "../use-desk.ts";
import { t } from "../words.ts";
import { nameOf } from "./row.tsx";
import { rowOf } from "../lists.ts";
import { picked, pickNone } from "./shown.ts";

export function Bulk(): JSX.Element {
  const desk = useDesk();
  const cases = [...picked.value];
  const state = bulk.value;
  return (
    <div class="bulk" role="toolbar" aria-label={t("bulk.label")}>
      <b class="num">{t("bulk.picked", { n: cases.length })}</b>
      <button type="button" class="btn sm" onClick={() => { show({ kind: "menu", page: "assign", cases }); }}>
        <Icon of={person} size={16} /> {t("bulk.assign")}
      </button>
      <button type="button" class="btn sm" onClick={() => { show({ kind: "menu", page: "labels", cases }); }}>
        <Icon of={tag} size={16} /> {t("bulk.label.do")}
      </button>
      <button type="button" class="btn sm" onClick={() => { show({ kind: "snooze", cases }); }}>
        <Icon of={moon} size={16} /> {t("bulk.snooze")}
      </button>
      {ofOnePerson(cases.flatMap((id) => desk.cases.value.get(id) ?? [])) && (
        <button type="button" class="btn sm" onClick={() => { show({ kind: "menu", page: "merge", cases }); }}>
          <Icon of={merge} size={16} /> {t("bulk.merge")}
        </button>
      )}
      <button type="button" class="btn sm ink" onClick={() => void resolveAll(desk, cases)}>
        <Icon of={check} size={16} /> {t("bulk.resolve")}
      </button>
      <button type="button" class="ib" aria-label={t("bulk.none")} title={t("bulk.none")} onClick={pickNone}>
        <Icon of={x} size={16} />
      </button>
      {state?.running && (
        <p role="status" class="num">
          {t("bulk.doing", { done: state.done, n: state.all })}
        </p>
      )}
      {state && !state.running && state.failed.length > 0 && (
        <p role="alert" class="bad">
          {t("bulk.failed", { n: state.failed.length })}{" "}
          {state.failed.slice(0, 3).map(({ row, error }) => `${nameOf(rowOf(row))}: ${desk.act.reason(error, row)}`).join(" · ")}
        </p>
      )}
    </div>
  );
}
