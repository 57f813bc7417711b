/**
 * What a screen shows of a conversation, as rows in the order of reading. Pure: the same records give the same rows,
 * and a row's key stays while the message it shows goes from written to sent, or from streamed to stored.
 *
 * {@link past} makes the rows of what is stored; it can be long and changes seldom. {@link present} makes those below
 * it: what is not sent yet, and what the bot is writing; it is short and changes with each word.
 */

import type { Message } from "@deskbell/client";
import { dayOf } from "./times.ts";

export interface MessageRow {
  is: "message";
  key: string;
  message: Message;
  mine: boolean;
  /** Whether it begins, or ends, what one speaker says in one go. */
  first: boolean;
  last: boolean;
}

/** What the platform said, one after another. */
export interface EventsRow {
  is: "events";
  key: string;
  messages: Message[];
}

export interface DayRow {
  is: "day";
  key: string;
  at: string;
}

/** Above it is what one has seen before. */
export interface NewRow {
  is: "new";
  key: string;
  count: number;
}

export interface UnsentRow {
  is: "unsent";
  key: string;
  unsent: Unsent;
  first: boolean;
  last: boolean;
}

export interface StreamingRow {
  is: "streaming";
  key: string;
  turn: string;
  text: string;
  first: boolean;
}

export type Row = MessageRow | EventsRow | DayRow | NewRow | UnsentRow | StreamingRow;

/** Something written that no row of the past shows. */
export interface Unsent {
  clientId: string;
  content: string;
  /** On its way; kept until the server wants it; waiting for a check; refused for good. */
  state: "sending" | "delayed" | "held" | "failed";
  replyTo?: string | undefined;
  /** Why it was refused. */
  error?: { code: string; rule?: string | undefined } | undefined;
}

export interface PastOptions {
  /** One's own id. */
  me: string | undefined;
  /** What is above this `seq`, and not one's own, is new; nothing is where it is not said. */
  seen?: number | undefined;
  /** What the platform says in somebody's name is drawn as a message of its sender. */
  spoken?: (message: Message) => boolean;
}

/** Longer silence begins a new run of messages, with the name and the time. */
const RUN_MS = 5 * 60_000;

/** The rows of stored messages, which are given by `seq`. */
export function past(messages: readonly Message[], { me, seen, spoken = () => false }: PastOptions): Row[] {
  const rows: Row[] = [];
  const turns = new Set<string>();
  let day = "";
  let run: { sender: string; at: number; row: MessageRow } | undefined;
  // Where the first one that is new is not here yet, nobody knows which it is.
  const reaches = seen !== undefined && (messages[0]?.seq ?? 0) <= seen + 1;
  const newFrom = reaches ? messages.findIndex((message) => message.seq > seen && message.sender.id !== me) : -1;
  messages.forEach((message, at) => {
    const messageDay = dayOf(message.created_at);
    if (messageDay !== day) {
      day = messageDay;
      rows.push({ is: "day", key: `d-${day}-${message.id}`, at: message.created_at });
      run = undefined;
    }
    if (at === newFrom) {
      const count = messages.slice(at).filter((one) => one.sender.id !== me && one.kind !== "system").length;
      rows.push({ is: "new", key: "new", count });
      run = undefined;
    }
    if (message.kind === "system" && !spoken(message)) {
      const above = rows.at(-1);
      if (above?.is === "events") above.messages.push(message);
      else rows.push({ is: "events", key: `e-${message.id}`, messages: [message] });
      run = undefined;
      return;
    }
    const said = Date.parse(message.created_at);
    const first = run?.sender !== message.sender.id || said - run.at > RUN_MS;
    if (!first && run) run.row.last = false;
    const mine = message.sender.id === me;
    const row: MessageRow = { is: "message", key: keyOf(message, mine, turns), message, mine, first, last: true };
    rows.push(row);
    run = { sender: message.sender.id, at: said, row };
  });
  return rows;
}

/** The key of what was pending or streamed before it was stored. */
function keyOf(message: Message, mine: boolean, turns: Set<string>): string {
  if (mine) return mineKey(message.client_id);
  const turn = message.metadata["turn"];
  // A turn may say several things; the first took the place of what was streamed.
  if (typeof turn !== "string" || turns.has(turn)) return `m-${message.id}`;
  turns.add(turn);
  return `t-${turn}`;
}

function mineKey(clientId: string): string {
  return `c-${clientId}`;
}

export interface PresentOptions {
  /** The last rows of the past decide who is speaking. */
  past: readonly Row[];
  unsent: readonly Unsent[];
  /** What the bot has written so far, by turn. */
  writing: ReadonlyMap<string, string>;
}

/** The rows below the past. */
export function present({ past: above, unsent, writing }: PresentOptions): (UnsentRow | StreamingRow)[] {
  const rows: (UnsentRow | StreamingRow)[] = [];
  const last = above.at(-1);
  // An answer that is being written was asked for by what is stored; what one writes meanwhile comes below it.
  for (const [turn, text] of writing) {
    rows.push({ is: "streaming", key: `t-${turn}`, turn, text, first: true });
  }
  const stored = new Set(unsent.length > 0 ? above.map((row) => row.key) : []);
  const waiting = unsent.filter(({ clientId }) => !stored.has(mineKey(clientId)));
  waiting.forEach((one, at) => {
    const follows = at > 0 || (rows.length === 0 && last?.is === "message" && last.mine);
    rows.push({ is: "unsent", key: mineKey(one.clientId), unsent: one, first: !follows, last: at === waiting.length - 1 });
  });
  return rows;
}

/** How far a message of one's own has come, by the marks of everybody else. */
export function reached(message: Message, reads: ReadonlyMap<string, readonly [read: number, delivered: number]>): "sent" | "delivered" | "seen" {
  let found: "sent" | "delivered" = "sent";
  for (const [user, [read, delivered]] of reads) {
    if (user === message.sender.id) continue;
    if (read >= message.seq) return "seen";
    if (delivered >= message.seq) found = "delivered";
  }
  return found;
}
