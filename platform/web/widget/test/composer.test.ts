import { expect, test } from "vitest";
import { charsLeft } from "../src/composer.tsx";

test("what is left and what is too much is counted in characters, though the server counts bytes", () => {
  expect(charsLeft("", 16_384)).toBe(16_384);
  expect(charsLeft("a".repeat(16_000), 16_384)).toBe(384);
  expect(charsLeft("a".repeat(17_000), 16_384)).toBe(-616);
  expect(charsLeft("é".repeat(8_000), 16_384)).toBe(192);
  expect(charsLeft("é".repeat(9_000), 16_384)).toBe(-808);
});
