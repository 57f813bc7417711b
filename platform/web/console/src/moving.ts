/** From one conversation to another, by key: up and down the list, to the next that needs one, and on after a case is done. */

import type { Desk } from "./desk.ts";
import { needsUs } from "./lists.ts";
import { shownRooms } from "./list/shown.ts";
import type { CaseRow } from "./records.ts";
import { go, goToRoom, place } from "./route.ts";

/** Where in the list one was last; a row that has left it has no place any more. */
let lastAt = 0;

function shown(desk: Desk): readonly string[] {
  const now = place.peek();
  if (shownRooms.peek().length || now.screen !== "inbox") return shownRooms.peek();
  return desk
    .lists(now.list)
    .peek()
    .map(({ room }) => room);
}

/** The row above or below; the one that is shown stays where it is an end. */
export function step(desk: Desk, by: 1 | -1): void {
  const rooms = shown(desk);
  if (rooms.length === 0) return;
  const at = rooms.indexOf(desk.selected.peek() ?? "");
  // What was shown has left the list: its neighbour has taken its place.
  const from = at >= 0 ? at + by : desk.selected.peek() === undefined ? 0 : by > 0 ? lastAt : lastAt - 1;
  open(rooms, Math.min(rooms.length - 1, Math.max(0, from)));
}

export function noteWhereOneIs(desk: Desk): void {
  const at = shownRooms.value.indexOf(desk.selected.value ?? "");
  if (at >= 0) lastAt = at;
}

/** What to show after the case that is shown is done: the row below it, else the one above; else none. */
export function afterThis(desk: Desk): () => void {
  const rooms = shown(desk);
  const at = rooms.indexOf(desk.selected.peek() ?? "");
  const next = rooms[at + 1] ?? rooms[at - 1];
  return () => {
    const now = place.peek();
    if (now.screen !== "inbox") return;
    if (next === undefined || at < 0) go({ screen: "inbox", list: now.list });
    else goToRoom(next, { replace: true });
  };
}

/** Of one's own, the next that waits for an answer, after the one that is shown. */
export function nextNeeding(desk: Desk): boolean {
  const mine = desk.lists("mine").peek();
  const at = mine.findIndex(({ room }) => room === desk.selected.peek());
  const found = [...mine.slice(at + 1), ...mine.slice(0, Math.max(0, at))].find((row) => row.case && needsUs(row.case));
  if (!found) return false;
  goToRoom(found.room, { list: "mine" });
  return true;
}

/** Take whoever waits longest at the highest priority; where a colleague is faster, the one after. */
export async function takeNext(desk: Desk): Promise<void> {
  const waiting = desk
    .lists("queue")
    .peek()
    .flatMap((row) => row.case ?? [])
    .sort(inLine);
  for (const row of waiting.slice(0, 3)) {
    if (await desk.act.claim(row)) {
      goToRoom(row.room, { list: "mine" });
      return;
    }
  }
}

function inLine(one: CaseRow, other: CaseRow): number {
  const since = (row: CaseRow): string => row.waiting_since ?? row.opened_at;
  return other.priority - one.priority || (since(one) < since(other) ? -1 : 1);
}

function open(rooms: readonly string[], at: number): void {
  const room = rooms[at];
  if (room === undefined) return;
  lastAt = at;
  goToRoom(room, { replace: place.peek().screen === "inbox" });
  requestAnimationFrame(() => {
    const row = [...document.querySelectorAll<HTMLElement>("[data-row]")].find((link) => link.dataset["row"] === room);
    row?.focus({ preventScroll: true });
  });
}
