import { expect, test } from "vitest";

import { mayReconnect } from "../src/closing.ts";
import { askedMs, backoffMs, LONGEST_MS } from "../src/backoff.ts";
import { understood } from "../src/incoming.ts";
import { claims, lifetimeMs } from "../src/tokens.ts";
import { frame, message } from "./samples.ts";

test("pauses grow, never beyond half a minute, and chance takes all of them", () => {
  expect([1, 2, 3].map((attempt) => backoffMs(attempt, 1))).toEqual([1000, 2000, 4000]);
  expect(backoffMs(1000, 1)).toBe(LONGEST_MS);
  expect(backoffMs(5, 0)).toBe(0);
  expect([askedMs(1000, 0), askedMs(1000, 1)]).toEqual([1000, 1200]);
});

test("close codes from 4500 on are final, those of the network are not", () => {
  expect([1006, 4001, 4499].map(mayReconnect)).toEqual([true, true, true]);
  expect([4500, 4503].map(mayReconnect)).toEqual([false, false]);
});

test("a durable frame that cannot be read has taken its number", () => {
  const whole = frame(message(3));
  expect(understood(JSON.stringify(whole))).toEqual(whole);
  const torn = { ...whole, message: { id: 7 } };
  expect(understood(JSON.stringify(torn))).toEqual({ type: "skip", room: whole.room, seq: 3 });
});

test.each(["", "[]", "null", "7", '{"no": "type"}', '{"type": "message"}'])("%j is no frame", (text) => {
  expect(understood(text)).toBeUndefined();
});

test("a token's life is measured by its own times", () => {
  const token = `h.${btoa(JSON.stringify({ iat: 1000, exp: 1900, sub: "ü" })).replaceAll("=", "")}.s`;
  expect(lifetimeMs(token)).toBe(900_000);
  expect(lifetimeMs("no token")).toBe(900_000);
  expect(claims("a.%%%.c")).toEqual({});
});
