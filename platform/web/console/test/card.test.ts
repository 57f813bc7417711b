import { expect, test } from "vitest";
import { askedSince } from "../src/thread/card.tsx";
import { AGENT, event, message } from "./samples.ts";

test("who asks for a person first is quoted with what they wrote then", () => {
  const said = [message(1, { content: "Hello" }), event(2, "case_opened"), message(3, { sender: AGENT, content: "Yes?" }), message(4, { content: "My **lamp** is broken" })];
  const opened = said[1]?.created_at ?? "";
  expect(askedSince(opened, said)).toBe("My lamp is broken");
  expect(askedSince(opened, said.slice(0, 3))).toBe("");
  expect(askedSince(opened, [message(4, { deleted: true, content: "gone" })])).toBe("");
});
