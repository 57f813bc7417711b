/** What happened, as a visitor reads it. */

import { readFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import type { Message } from "@deskbell/client";
import { eventLine } from "../src/events.ts";
import { talk as arabic } from "../src/texts/ar.talk.ts";
import { thread as english } from "../src/texts/en.thread.ts";
import { words } from "../src/words.ts";

const protocol = readFileSync(new URL("../../../../docs/reference/protocol.md", import.meta.url), "utf8");
const table = protocol.split("## Events of system messages")[1]?.split("\n## ")[0] ?? "";
const events = [...table.matchAll(/^\| `(\w+)` \|/gm)].map((found) => found[1] ?? "");
const ours = [.../`words` names[^.]*?: ([^;]*);/.exec(table)?.[1]?.matchAll(/\w+/g) ?? []].map(String);

function said(metadata: Message["metadata"], content = "as the server has it"): string {
  return eventLine({ kind: "system", content, metadata } as Message);
}

afterEach(() => {
  words.speak("en", english);
});

test("each event that the protocol names is told in words of the reader's language", () => {
  words.speak("ar", arabic);
  expect([events.length > 12, ours.length]).toEqual([true, 3]);
  const facts = [
    ...events.filter((event) => event !== "case_opened" && event !== "still_waiting").map((event) => ({ event })),
    ...ours.map((name) => ({ event: "case_opened", words: name })),
    { event: "back_to_bot", keeps_place: true, name: null },
  ];
  for (const one of facts) {
    const line = said({ user: "u", name: "Ines", ...one });
    expect([one, line]).not.toEqual([one, "as the server has it"]);
    expect(line).not.toMatch(/[{}_]|undefined|null/);
  }
  expect(said({ event: "case_resolved", user: "u", name: "Ines" })).toContain("Ines");
  expect(said({ event: "agent_joined", user: "u" })).toBe("as the server has it");
});

test("what a bot has worded stays as it is, and so does an event that a newer server tells", () => {
  words.speak("ar", arabic);
  expect(said({ event: "case_opened", words: null })).toBe("as the server has it");
  expect(said({ event: "still_waiting" })).toBe("as the server has it");
  expect(said({ event: "moon_landed" })).toBe("as the server has it");
  expect(said({})).toBe("as the server has it");
});

test("a name does not turn the sentence around it", () => {
  const line = said({ event: "agent_joined", user: "u", name: "\u202eليلى" }, "\u202eليلى joined and has read the conversation.");
  expect(line).toBe("\u2068ليلى\u2069 joined and has read the conversation.");
});
