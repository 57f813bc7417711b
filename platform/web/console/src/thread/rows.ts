/**
 * A conversation as a list of rows: what visitor, assistant and agents said, with the notes from backstage where
 * they were written, folded events, days, and what is still on its way. Pure: the same story gives the same rows.
 */

import type { Letter, Message } from "@deskbell/client";
import type { CaseRow } from "../records.ts";

/** How far one of our messages came, as its reader's client told. */
export type Reach = "sent" | "delivered" | "read";

/** What waits in this browser: on its way, with a reviewer, or refused. */
export interface Waiting {
  letter: Letter;
  note: boolean;
  state: "sending" | "held" | "failed";
  /** Why it was refused: a code of the protocol and the rule, if one was named. */
  code?: string;
  rule?: string;
}

export type Row =
  | { kind: "day"; key: string; at: string }
  | { kind: "new"; key: string }
  | { kind: "message"; key: string; message: Message; starts: boolean; ends: boolean; reach: Reach | undefined }
  | { kind: "note"; key: string; message: Message }
  | { kind: "events"; key: string; messages: readonly Message[] }
  | { kind: "card"; key: string }
  | { kind: "writing"; key: string; turn: string; text: string }
  | { kind: "waiting"; key: string; waiting: Waiting }
  | { kind: "stale"; key: string; all: readonly Waiting[] };

export interface Story {
  /** Of the visitor's room, by `seq`. */
  messages: readonly Message[];
  /** Of its backstage, by their own `seq`. */
  notes: readonly Message[];
  /** The first message with a greater `seq` that is not one's own is new. */
  leftAt?: number | undefined;
  me: string;
  /** How far the visitor has got, where the room shows that. */
  visitor?: { read: number; delivered: number } | undefined;
  writing?: ReadonlyMap<string, string>;
  waiting?: readonly Waiting[];
  /** Where the hand-over packet stands: after the message of this `seq`, at the end, or nowhere. */
  card?: number | "end" | undefined;
  /** There is more after the last message: what is of the moment does not belong here. */
  moreAfter?: boolean;
  moreBefore?: boolean;
}

const TOGETHER_MS = 5 * 60_000; // longer pauses begin a new group of bubbles

/** Where in the conversation a note was written: after what was there then. */
export function anchorOf(note: Message): number {
  const anchor = note.metadata["anchor_seq"];
  return typeof anchor === "number" ? anchor : 0;
}

/** Both rooms as one list. A note comes after all that the visitor's room held when it was written. */
export function merged(messages: readonly Message[], notes: readonly Message[]): { message: Message; note: boolean }[] {
  const byAnchor = [...notes].sort((one, other) => anchorOf(one) - anchorOf(other) || one.seq - other.seq);
  const all: { message: Message; note: boolean }[] = [];
  let next = 0;
  for (const message of messages) {
    for (let note = byAnchor[next]; note && anchorOf(note) < message.seq; note = byAnchor[++next]) {
      all.push({ message: note, note: true });
    }
    all.push({ message, note: false });
  }
  for (const note of byAnchor.slice(next)) all.push({ message: note, note: true });
  return all;
}

/** The notes that stand within a part of the conversation. */
export function notesWithin(story: Pick<Story, "messages" | "notes" | "moreBefore" | "moreAfter">): readonly Message[] {
  const first = story.moreBefore ? (story.messages[0]?.seq ?? 0) : -1;
  const last = story.moreAfter ? (story.messages.at(-1)?.seq ?? 0) : Infinity;
  return story.notes.filter((note) => anchorOf(note) >= first && anchorOf(note) <= last);
}

export function isEvent(message: Message): boolean {
  return message.kind === "system";
}

/** Whether it comes from our side of the counter. */
export function isOurs(message: Message): boolean {
  return message.sender.kind !== "visitor";
}

export function rowsOf(story: Story): Row[] {
  const rows: Row[] = [];
  const all = merged(story.messages, notesWithin(story));
  let day = "";
  let events: Message[] | undefined;
  let open: Extract<Row, { kind: "message" }> | undefined;
  let divided = story.leftAt === undefined;
  let carded = typeof story.card !== "number";

  const card = (): void => {
    carded = true;
    open = events = undefined;
    rows.push({ kind: "card", key: "card" });
  };

  for (const { message, note } of all) {
    if (!carded && !note && message.seq > Number(story.card)) card();
    const today = dayOf(message.created_at);
    if (today > day) {
      day = today;
      open = events = undefined;
      // Its key goes with the message: older ones of the day, put before it, have a row of their own.
      rows.push({ kind: "day", key: `day ${today} ${message.id}`, at: message.created_at });
    }
    if (!divided && !note && message.seq > (story.leftAt ?? 0) && message.sender.id !== story.me && !isEvent(message)) {
      divided = true;
      open = events = undefined;
      rows.push({ kind: "new", key: "new" });
    }
    if (note) {
      open = events = undefined;
      rows.push({ kind: "note", key: message.id, message });
    } else if (isEvent(message)) {
      open = undefined;
      if (events) {
        events.push(message);
      } else {
        events = [message];
        rows.push({ kind: "events", key: `events ${message.id}`, messages: events });
      }
    } else {
      events = undefined;
      const starts = !open || !together(open.message, message);
      if (open && !starts) open.ends = false;
      open = { kind: "message", key: message.id, message, starts, ends: true, reach: reachOf(message, story.visitor) };
      rows.push(open);
    }
  }
  if (!carded) card();
  if (!story.moreAfter) rows.push(...moments(story));
  return rows;
}

/** What is not history yet, at the end: what waits here, what the assistant writes, and the bell. */
function moments(story: Story): Row[] {
  const rows: Row[] = [];
  const stored = new Set(story.messages.slice(-200).map((message) => message.metadata["turn"]));
  for (const [turn, text] of story.writing ?? []) {
    if (text && !stored.has(turn)) rows.push({ kind: "writing", key: `turn ${turn}`, turn, text });
  }
  const born = new Set([...story.messages.slice(-200), ...story.notes.slice(-200)].map((message) => message.client_id));
  const stale: Waiting[] = [];
  for (const waiting of story.waiting ?? []) {
    if (born.has(waiting.letter.client_id)) continue;
    if (!isStale(waiting)) rows.push({ kind: "waiting", key: `waiting ${waiting.letter.client_id}`, waiting });
    // They were held back for one reason, and are decided on together, where the first of them stands.
    else if (stale.push(waiting) === 1) rows.push({ kind: "stale", key: "stale", all: stale });
  }
  if (story.card === "end") rows.push({ kind: "card", key: "card" });
  return rows;
}

/** Whether it was held back because somebody else wrote before it could be sent. */
export function isStale({ state, code, note }: Waiting): boolean {
  return state === "failed" && code === "expectation_failed" && !note;
}

function together(one: Message, other: Message): boolean {
  return one.sender.id === other.sender.id && Date.parse(other.created_at) - Date.parse(one.created_at) < TOGETHER_MS;
}

function reachOf(message: Message, visitor: Story["visitor"]): Reach | undefined {
  if (!visitor || message.sender.kind !== "agent" || message.deleted) return undefined;
  if (message.seq <= visitor.read) return "read";
  return message.seq <= visitor.delivered ? "delivered" : "sent";
}

/** The day of the reader's own calendar, sortable. */
export function dayOf(at: string): string {
  const date = new Date(at);
  const two = (number: number): string => String(number).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** The hand-over packet: while it waits at the end, where one looks; then where the bell rang. */
export function cardPlace(row: CaseRow | undefined, messages: readonly Message[]): Story["card"] {
  if (!row || row.status === "merged") return undefined;
  if (row.status === "waiting") return "end";
  if (!row.handover) return undefined;
  const opened = Date.parse(row.opened_at) - 5_000; // both clocks are the server's, not to the millisecond
  const rung = (one: Message): boolean => isEvent(one) && one.metadata["event"] === "case_opened" && Date.parse(one.created_at) >= opened;
  return messages.find(rung)?.seq;
}
