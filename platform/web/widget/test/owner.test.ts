import { expect, test } from "vitest";
import type { Message, RoomState } from "@deskbell/client";
import { endOf } from "@deskbell/ui/ending.ts";
import { read, said as wordsOf } from "@deskbell/ui/markup.ts";
import { Texts } from "@deskbell/ui/texts.ts";
import { ownerOf } from "../src/owner.ts";
import { english } from "../src/texts/en.ts";
import { transcriptOf } from "../src/transcript.ts";

function message(seq: number, fields: Partial<Message> = {}): Message {
  const sender = { id: "u", kind: "visitor", name: "Maya", avatar: null } as const;
  return { id: `m${seq}`, seq, kind: "text", content: `said ${seq}`, sender, metadata: {}, deleted: false, created_at: "2026-11-21T10:00:00.000Z", ...fields } as Message;
}

function event(seq: number, name: string): Message {
  return message(seq, { kind: "system", metadata: { event: name }, content: name });
}

function owned(kind: "agent" | "bot" | "nobody"): RoomState {
  return { owner: { kind } } as RoomState;
}

test("who answers is who owns the room", () => {
  expect(ownerOf(undefined, [], undefined)).toBe("bot");
  expect(ownerOf(owned("bot"), [message(1)], { type: "case", room: "r", status: "waiting" })).toBe("bot");
  expect(ownerOf(owned("nobody"), [message(1)], { type: "case", room: "r", status: "waiting" })).toBe("waiting");
  expect(ownerOf(owned("agent"), [message(1)], undefined)).toBe("person");
});

test("a conversation that has ended is closed until somebody writes in it again", () => {
  const ended = [message(1), event(2, "case_opened"), message(3), event(4, "case_resolved")];
  expect(ownerOf(owned("bot"), ended, undefined)).toBe("closed");
  expect(endOf(ended)?.seq).toBe(4);
  expect(endOf([message(1), event(2, "ended_by_visitor")])?.seq).toBe(2);
  expect(endOf([message(1), event(2, "back_to_bot")])).toBeUndefined();
  expect(ownerOf(owned("bot"), [...ended, message(5)], undefined)).toBe("bot");
  expect(ownerOf(owned("nobody"), [...ended, event(5, "case_opened")], { type: "case", room: "r", status: "waiting" })).toBe("waiting");
});

test("a transcript says who said what, in plain text", () => {
  const said = [message(1, { content: "<b>Hello</b>" }), event(2, "agent_joined"), message(3, { deleted: true, content: "" }), message(4, { content: "**Two**:\n\n1. `one`\n2. *other*\n> and a quote" })];
  const text = transcriptOf(said, "Pell", new Texts(english), { read, said: wordsOf, eventLine: ({ content }) => `what ${content} means` });
  expect(text).toContain("Conversation with Pell");
  expect(text).toContain("Maya\n<b>Hello</b>");
  expect(text).toContain("– what agent_joined means");
  expect(text).toContain("(removed)");
  expect(text).toContain("Maya\nTwo:\n1. one\n2. other\n> and a quote");
});
