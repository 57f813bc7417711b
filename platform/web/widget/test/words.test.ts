/** Every word of the conversation is there in Arabic, with what is put into it. */

import { expect, test } from "vitest";
import { extras as arabicExtras } from "../src/texts/ar.extras.ts";
import { thread as arabicThread } from "../src/texts/ar.thread.ts";
import { extras } from "../src/texts/en.extras.ts";
import { thread } from "../src/texts/en.thread.ts";

const put = (said: unknown): string[] => [...new Set(JSON.stringify(said).match(/\{(?!n\})\w+\}/g))].sort();

test.each([
  ["the thread", thread, arabicThread],
  ["what comes after it", extras, arabicExtras],
])("%s is whole", (_, english, arabic) => {
  expect(Object.keys(arabic)).toEqual(Object.keys(english));
  for (const [key, said] of Object.entries(english)) expect([key, put(arabic[key])]).toEqual([key, put(said)]);
});
