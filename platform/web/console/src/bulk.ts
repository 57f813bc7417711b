/** One act on many cases: how far it is, and which it did not work for. Those that failed stay picked. */

import { signal } from "@preact/signals";
import type { DeskbellError } from "@deskbell/client";
import type { Desk } from "./desk.ts";
import { picked } from "./list/shown.ts";
import type { CaseRow } from "./records.ts";
import { say } from "./sayings.ts";
import { t } from "./words.ts";

export interface BulkState {
  running: boolean;
  done: number;
  all: number;
  failed: { row: CaseRow; error: DeskbellError }[];
}

export const bulk = signal<BulkState | undefined>(undefined);

/** Do it; the sentence at the end says how many it worked for. */
export async function doAll(desk: Desk, cases: readonly string[], act: (row: CaseRow) => Promise<unknown>): Promise<void> {
  if (bulk.peek()?.running) return;
  const rows = cases.flatMap((id) => desk.cases.peek().get(id) ?? []);
  bulk.value = { running: true, done: 0, all: rows.length, failed: [] };
  const failed = await desk.act.each(rows, act, (done) => {
    bulk.value = { running: true, done, all: rows.length, failed: [] };
  });
  bulk.value = { running: false, done: rows.length, all: rows.length, failed };
  const kept = new Set(failed.map(({ row }) => row.id));
  picked.value = new Set([...picked.peek()].filter((id) => kept.has(id)));
  const went = rows.length - failed.length;
  say(failed.length ? t("bulk.done.some", { done: went, n: rows.length }) : t("bulk.done", { n: went }), { bad: failed.length > 0 });
}

export function resolveAll(desk: Desk, cases: readonly string[]): Promise<void> {
  return doAll(desk, cases, desk.act.bare.resolve);
}

/** Whether they are of one person, so that one of them can take up the others. */
export function ofOnePerson(rows: readonly CaseRow[]): boolean {
  return rows.length > 1 && rows.every(({ visitor }) => visitor && visitor.id === rows[0]?.visitor?.id);
}

/** What a case can be merged into: the others of the same person. */
export function mergeTargets(desk: Desk, row: CaseRow): CaseRow[] {
  return [...desk.cases.peek().values()].filter((other) => other.id !== row.id && other.status !== "merged" && ofOnePerson([row, other]));
}
