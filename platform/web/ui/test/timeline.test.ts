import type { Message } from "@deskbell/client";
import { expect, test } from "vitest";
import { steady } from "../src/steady.ts";
import { past, present, reached, type Row } from "../src/timeline.ts";

const base = new Date(2026, 10, 20, 10).getTime();

function said(seq: number, sender: string, minutes = seq / 10, more: Partial<Message> = {}): Message {
  return {
    id: `m${seq}`,
    room: "r",
    seq,
    changed_seq: seq,
    client_id: `c${seq}`,
    sender: { id: sender, kind: sender === "me" ? "visitor" : "bot", name: sender, avatar: null },
    kind: "text",
    content: `text ${seq}`,
    created_at: new Date(base + minutes * 60_000).toISOString(),
    metadata: {},
    attachments: [],
    reply_to: null,
    thread: null,
    thread_count: 0,
    mentions: [],
    reactions: [],
    pinned: false,
    edited_at: null,
    deleted: false,
    ...more,
  };
}

const told = (seq: number, event: string): Message => said(seq, "system", seq / 10, { kind: "system", metadata: { event } });

/** Rows as a reader would list them. */
function shape(rows: readonly Row[]): string[] {
  return rows.map((row) => {
    switch (row.is) {
      case "message":
        return `${row.mine ? "mine" : row.message.sender.id}${row.first ? " first" : ""}${row.last ? " last" : ""}`;
      case "events":
        return `events ${row.messages.length}`;
      case "new":
        return `new ${row.count}`;
      case "unsent":
        return `${row.unsent.state}${row.first ? " first" : ""}${row.last ? " last" : ""}`;
      default:
        return row.is;
    }
  });
}

test("what one speaker says in one go is one run, and a pause begins another", () => {
  const rows = past([said(1, "me"), said(2, "bot"), said(3, "bot"), said(4, "bot", 9), said(5, "me", 9)], { me: "me" });
  expect(shape(rows)).toEqual(["day", "mine first last", "bot first", "bot last", "bot first last", "mine first last"]);
});

test("a new day is divided off, and breaks a run", () => {
  const rows = past([said(1, "bot"), said(2, "bot", 24 * 60)], { me: "me" });
  expect(shape(rows)).toEqual(["day", "bot first last", "day", "bot first last"]);
});

test("what the platform says one after another is one row, unless it speaks for somebody", () => {
  const messages = [said(1, "bot"), told(2, "case_opened"), told(3, "agent_joined"), told(4, "case_returned"), said(5, "bot")];
  expect(shape(past(messages, { me: "me" }))).toEqual(["day", "bot first last", "events 3", "bot first last"]);
  const spoken = (message: Message): boolean => message.metadata["event"] === "case_opened";
  expect(shape(past(messages, { me: "me", spoken }))).toEqual(["day", "bot first last", "system first last", "events 2", "bot first last"]);
});

test("the line of what is new stands before the first that is not one's own, and counts what others said", () => {
  const messages = [said(1, "bot"), said(2, "bot"), said(3, "me"), said(4, "bot"), told(5, "x"), said(6, "bot")];
  expect(shape(past(messages, { me: "me", seen: 2 }))).toEqual(["day", "bot first", "bot last", "mine first last", "new 2", "bot first last", "events 1", "bot first last"]);
  expect(shape(past(messages, { me: "me", seen: 6 }))).not.toContain("new 0");
});

test("a row keeps its key when it is sent, and when what was streamed is stored", () => {
  const above = past([said(1, "bot")], { me: "me" });
  const unsent = [{ clientId: "c2", content: "hi", state: "sending" as const }];
  const keys = present({ past: above, unsent, writing: new Map([["t1", "I am"]]) }).map(({ key }) => key);
  const after = past([said(1, "bot"), said(2, "me"), said(3, "bot", 1, { metadata: { turn: "t1" } }), said(4, "bot", 1, { metadata: { turn: "t1" } })], { me: "me" });
  const stored = after.map(({ key }) => key);
  for (const key of keys) expect(stored).toContain(key);
  expect(new Set(stored).size).toBe(stored.length);
});

test("what is stored is not shown as unsent as well", () => {
  const above = past([said(1, "me"), said(2, "bot")], { me: "me" });
  const unsent = ["c1", "c3", "c4"].map((clientId) => ({ clientId, content: "x", state: "sending" as const }));
  expect(shape(present({ past: above, unsent, writing: new Map() }))).toEqual(["sending first", "sending last"]);
});

test("one's own message is seen when somebody else has read that far", () => {
  const message = said(5, "me");
  expect(reached(message, new Map([["me", [9, 9]]]))).toBe("sent");
  expect(reached(message, new Map([["bot", [4, 5]]]))).toBe("delivered");
  expect(reached(message, new Map([["bot", [4, 5]], ["ana", [5, 5]]]))).toBe("seen");
});

test("rows about which nothing has changed are the same objects again", () => {
  const messages = [said(1, "bot"), told(2, "x"), told(3, "y"), said(4, "me"), said(5, "me")];
  const before = past(messages, { me: "me" });
  const again = steady(before, past(messages, { me: "me" }));
  expect(again.every((row, at) => row === before[at])).toBe(true);
  const edited = steady(before, past([...messages.slice(0, 4), { ...said(5, "me"), content: "other" }, said(6, "me")], { me: "me" }));
  expect(edited.map((row) => before.includes(row))).toEqual([true, true, true, true, false, false]);
  const unsent = (state: "sending" | "delayed"): Row[] => present({ past: [], unsent: [{ clientId: "c", content: "x", state }], writing: new Map() });
  const sending = unsent("sending");
  expect(steady(sending, unsent("sending"))[0]).toBe(sending[0]);
  expect(steady(sending, unsent("delayed"))[0]).not.toBe(sending[0]);
});

test("rows after one that was put in or taken out are the same objects still", () => {
  const rows = (...keys: string[]): { key: string; is: string }[] => keys.map((key) => ({ key, is: "message" }));
  const before = rows("a", "b", "c");
  const more = steady(before, rows("0", "a", "c", "d"));
  expect(more.map((row) => before.indexOf(row))).toEqual([-1, 0, 2, -1]);
  expect(steady(before, rows("a", "b", "c", "d")).map((row) => before.indexOf(row))).toEqual([0, 1, 2, -1]);
});

test("no line says what is new where the first new message is not here", () => {
  const messages = [said(5, "bot"), said(6, "bot")];
  expect(past(messages, { me: "me", seen: 2 }).some(({ is }) => is === "new")).toBe(false);
  expect(past(messages, { me: "me", seen: 4 }).some(({ is }) => is === "new")).toBe(true);
});
