import { describe, expect, test } from "vitest";

import { cardPlace, dayOf, type Row, rowsOf, type Story } from "../src/thread/rows.ts";
import { at, caseRow } from "./case-samples.ts";
import { AGENT, event, message, note } from "./samples.ts";

function kinds(rows: Row[]): string[] {
  return rows.filter((row) => row.kind !== "day").map((row) => ("message" in row ? row.message.content : row.kind));
}

function story(fields: Partial<Story>): Story {
  return { messages: [], notes: [], me: AGENT.id, ...fields };
}

describe("notes in the conversation", () => {
  test("a note stands after all that was there when it was written", () => {
    const rows = rowsOf(story({ messages: [message(1), message(2), message(5)], notes: [note(1, 2), note(2, 4)] }));
    expect(kinds(rows)).toEqual(["text 1", "text 2", "note 1", "note 2", "text 5"]);
  });

  test("notes of one moment keep the order in which they were written, whatever order they come in", () => {
    const rows = rowsOf(story({ messages: [message(1), message(9)], notes: [note(3, 1), note(1, 1), note(2, 1)] }));
    expect(kinds(rows)).toEqual(["text 1", "note 1", "note 2", "note 3", "text 9"]);
  });

  test("a note written later with an earlier anchor goes where its anchor says", () => {
    const rows = rowsOf(story({ messages: [message(1), message(5)], notes: [note(1, 5), note(2, 1)] }));
    expect(kinds(rows)).toEqual(["text 1", "note 2", "text 5", "note 1"]);
  });

  test("where only a part of the past is here, notes from before it wait for their part", () => {
    const notes = [note(1, 3), note(2, 10), note(3, 12)];
    const rows = rowsOf(story({ messages: [message(10), message(11)], notes, moreBefore: true, moreAfter: true }));
    expect(kinds(rows)).toEqual(["text 10", "note 2", "text 11"]);
  });

  test("in a conversation without a word its notes are shown all the same", () => {
    expect(kinds(rowsOf(story({ notes: [note(1, 0)] })))).toEqual(["note 1"]);
  });
});

describe("runs and dividers", () => {
  test("events that follow one another are one row, and a message ends the run", () => {
    const rows = rowsOf(story({ messages: [event(1, "case_opened"), event(2, "agent_joined"), message(3), event(4, "x")] }));
    expect(kinds(rows)).toEqual(["events", "text 3", "events"]);
  });

  test("messages of one sender close together are one group, ended by a pause or by somebody else", () => {
    const late = message(4, { created_at: "2026-11-21T10:20:00.000Z" });
    const rows = rowsOf(story({ messages: [message(1), message(2), message(3, { sender: AGENT }), late] }));
    const groups = rows.flatMap((row) => (row.kind === "message" ? [[row.starts, row.ends]] : []));
    expect(groups).toEqual([[true, false], [false, true], [true, true], [true, true]]);
  });

  test("what came since one left begins with the first message of another", () => {
    const messages = [message(1), message(2, { sender: AGENT }), event(3, "x"), message(4), message(5)];
    expect(kinds(rowsOf(story({ messages, leftAt: 1 })))).toEqual(["text 1", "text 2", "events", "new", "text 4", "text 5"]);
  });

  test("each day is named once, also when a note's clock is behind", () => {
    const next = "2026-11-22T15:00:00.000Z";
    const rows = rowsOf(story({
      messages: [message(1), message(2, { created_at: next })],
      notes: [note(1, 2, { created_at: "2026-11-21T09:00:00.000Z" })],
    }));
    expect(rows.flatMap((row) => (row.kind === "day" ? [dayOf(row.at)] : []))).toEqual([dayOf(message(1).created_at), dayOf(next)]);
  });
});

describe("the hand-over packet", () => {
  test("stands where the bell rang, and not where a visitor's message says so", () => {
    const row = caseRow("1", { status: "assigned", opened_at: at(0), handover: { summary: "" } });
    const posing = message(1, { metadata: { event: "case_opened" } });
    expect(cardPlace(row, [posing, event(2, "case_opened")])).toBe(2);
  });
});

describe("what is of the moment", () => {
  const letter = { type: "send", room: "r-front", client_id: "c-9", content: "soon" } as const;

  test("a message on its way is at the end, until the stored one is there", () => {
    const waiting = [{ letter, note: false, state: "sending" } as const];
    expect(kinds(rowsOf(story({ messages: [message(1)], waiting })))).toEqual(["text 1", "waiting"]);
    expect(kinds(rowsOf(story({ messages: [message(9)], waiting })))).toEqual(["text 9"]);
  });

  test("a streamed answer gives way to the stored one of its turn", () => {
    const writing = new Map([["t-1", "I am"]]);
    expect(kinds(rowsOf(story({ messages: [message(1)], writing })))).toEqual(["text 1", "writing"]);
    expect(kinds(rowsOf(story({ messages: [message(2, { metadata: { turn: "t-1" } })], writing })))).toEqual(["text 2"]);
  });

  test("in the middle of the past there is none of it", () => {
    const waiting = [{ letter, note: false, state: "sending" } as const];
    expect(kinds(rowsOf(story({ messages: [message(1)], waiting, card: "end", moreAfter: true })))).toEqual(["text 1"]);
  });

  test("the hand-over packet stands after the bell, or at the end while nobody has come", () => {
    const messages = [message(1), event(2, "case_opened"), message(3)];
    expect(kinds(rowsOf(story({ messages, card: 2 })))).toEqual(["text 1", "events", "card", "text 3"]);
    expect(kinds(rowsOf(story({ messages, card: "end" })))).toEqual(["text 1", "events", "text 3", "card"]);
  });

  test("ours say how far they came, and only ours", () => {
    const messages = [1, 2, 3].map((seq) => message(seq, { sender: AGENT }));
    const rows = rowsOf(story({ messages: [...messages, message(4)], visitor: { read: 1, delivered: 2 } }));
    expect(rows.flatMap((row) => (row.kind === "message" ? [row.reach] : []))).toEqual(["read", "delivered", "sent", undefined]);
  });
});
