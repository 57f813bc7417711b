import { expect, test } from "vitest";

import { rowsOf, type Waiting } from "../src/thread/rows.ts";
import { AGENT } from "./samples.ts";

function waiting(id: string, fields: Partial<Waiting> = {}): Waiting {
  const letter = { type: "send", room: "r-front", client_id: id, content: id } as const;
  return { letter, note: false, state: "failed", code: "expectation_failed", ...fields };
}

test("replies held back for one reason stand together, where the first of them was written", () => {
  const all = [waiting("a"), waiting("b"), waiting("new", { state: "sending", code: "" }), waiting("c")];
  const rows = rowsOf({ messages: [], notes: [], me: AGENT.id, waiting: all });
  const said = rows.map((row) => (row.kind === "stale" ? row.all.map(({ letter }) => letter.content) : row.kind === "waiting" ? row.waiting.letter.content : row.kind));
  expect(said).toEqual([["a", "b", "c"], "new"]);
});

test("what was refused for another reason, and a note, is decided on by itself", () => {
  const rows = rowsOf({ messages: [], notes: [], me: AGENT.id, waiting: [waiting("a", { code: "blocked" }), waiting("b", { note: true })] });
  expect(rows.map(({ kind }) => kind)).toEqual(["waiting", "waiting"]);
});
