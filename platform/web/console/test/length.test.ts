import { expect, test } from "vitest";
import { charactersLeft } from "../src/composer/length.ts";

test("what is too long is counted in characters, whatever they weigh", () => {
  expect(charactersLeft("a".repeat(105), 100)).toBe(-5);
  expect(charactersLeft("é".repeat(55), 100)).toBe(-5);
  expect(charactersLeft(`${"a".repeat(99)}🛎`, 100)).toBe(-1);
});

test("so is the room that is left, near the end", () => {
  expect(charactersLeft("a".repeat(79), 100)).toBeUndefined();
  expect(charactersLeft("a".repeat(90), 100)).toBe(10);
  expect(charactersLeft("é".repeat(45), 100)).toBe(5);
  expect(charactersLeft("é".repeat(50), 100)).toBe(0);
});
