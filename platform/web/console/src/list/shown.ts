/**
 * What the list shows, in which order. While the pointer is over the rows none of them moves: what is new waits, what
 * has left stays in its place until the pointer goes, or a key says that it is not the pointer that counts.
 */

import { signal } from "@preact/signals";
import { needsUs } from "../lists.ts";
import type { ListName, Row, Sort } from "../records.ts";

export type Group = "needs" | "colleagues" | "theirs";
export type Line = { group: Group; count: number } | { room: string };

/** The pointer is over the rows. */
export const held = signal(false);
/** The rooms of the list, top to bottom, as they are shown: what J and K walk. */
export const shownRooms = signal<readonly string[]>([]);
/** Cases that were picked for one act on all, by id. */
export const picked = signal<ReadonlySet<string>>(new Set());
/** Where the last pick was made, for a range. */
let anchor: string | undefined;

/** Lists in which some wait for us and others for them. */
function grouped(list: ListName, sort: Sort): boolean {
  return sort === "waiting" && (list === "mine" || list === "all" || list.startsWith("team:") || list.startsWith("view:"));
}

/** `me`: whose eyes they are for; what a colleague answers needs nobody else. */
export function linesOf(list: ListName, rows: readonly Row[], sort: Sort, me: string): Line[] {
  const line = ({ room }: Row): Line => ({ room });
  if (!grouped(list, sort)) return rows.map(line);
  const groupOf = ({ case: row }: Row): Group => (!row || !needsUs(row) ? "theirs" : row.agent === null || row.agent === me ? "needs" : "colleagues");
  const of = (group: Group): Row[] => rows.filter((row) => groupOf(row) === group);
  const part = (group: Group, found: readonly Row[]): Line[] => (found.length ? [{ group, count: found.length }, ...found.map(line)] : []);
  return (["needs", "colleagues", "theirs"] as const).flatMap((group) => part(group, of(group)));
}

/** The lines that are shown now, and how many rows wait for the pointer to go. */
export function settled(before: readonly Line[] | undefined, live: readonly Line[], hold: boolean): { lines: readonly Line[]; waiting: number } {
  if (!hold || !before) return { lines: live, waiting: 0 };
  const known = new Set(roomsOf(before));
  return { lines: before, waiting: roomsOf(live).filter((room) => !known.has(room)).length };
}

export function roomsOf(lines: readonly Line[]): string[] {
  return lines.flatMap((line) => ("room" in line ? [line.room] : []));
}

/** Pick a case or put it back; with `range`, all between it and the last one. `order`: ids, top to bottom. */
export function pick(id: string, order: readonly string[] = [], range = false): void {
  const now = new Set(picked.value);
  const [from, to] = [order.indexOf(anchor ?? ""), order.indexOf(id)].sort((one, other) => one - other);
  if (range && from !== undefined && to !== undefined && from >= 0) for (const other of order.slice(from, to + 1)) now.add(other);
  else if (now.has(id)) now.delete(id);
  else now.add(id);
  anchor = id;
  picked.value = now;
}

export function pickNone(): void {
  anchor = undefined;
  picked.value = new Set();
}
