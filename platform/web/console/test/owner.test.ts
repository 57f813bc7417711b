import { expect, test } from "vitest";
import type { RoomState } from "@deskbell/client";
import type { CaseRow } from "../src/records.ts";
import { answering } from "../src/thread/owner.ts";

const assistants = { owner: { kind: "bot", user: "b" }, archived: false } as RoomState;
const resolved = { status: "resolved" } as CaseRow;

test("a conversation that was handed back is the assistant's, and one may take it over again", () => {
  expect(answering(assistants, resolved, "me", false)?.side).toBe("bot");
  expect(answering(assistants, undefined, "me", false)?.side).toBe("bot");
});

test("it is over once it was ended, whoever owns it", () => {
  expect(answering(assistants, resolved, "me", true)?.side).toBe("over");
  expect(answering(assistants, undefined, "me", true)?.side).toBe("over");
});
