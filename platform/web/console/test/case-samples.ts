/** Cases for tests: whole, and different only in what a test says. */

import type { CaseRow } from "../src/records.ts";

export const NOW = Date.parse("2026-11-21T10:00:00.000Z");

/** A moment so many minutes from {@link NOW}. */
export function at(minutes: number): string {
  return new Date(NOW + minutes * 60_000).toISOString();
}

export function caseRow(id: string, fields: Partial<CaseRow> = {}): CaseRow {
  return {
    id, room: `r-${id}`, status: "waiting", reason: "asked_human", priority: 0, team: "support", agent: null,
    opened_at: at(-10), deadline_at: null, version: 1, step: 0, waiting_since: at(-10), first_response_at: null,
    resolved_at: null, snoozed_until: null, position: 1, handover: null, rating: null, rating_comment: null,
    merged_into: null, labels: [], ...fields,
  };
}

export function answered(id: string, lastAt: string, fields: Partial<CaseRow> = {}): CaseRow {
  const sender = { id: "me", kind: "agent", name: "Ana", avatar: null } as const;
  return caseRow(id, {
    status: "assigned", agent: "me", waiting_since: null, first_response_at: lastAt, target_at: null,
    last: { kind: "text", text: "On its way", sender, created_at: lastAt, note: false }, ...fields,
  });
}
