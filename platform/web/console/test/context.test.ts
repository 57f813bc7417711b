import { expect, test } from "vitest";
import { completed, moved, SECTIONS } from "../src/context/arrangement.ts";
import { webAddress } from "../src/context/shapes.ts";
import { en } from "../src/texts/en.ts";
import { screens as arabic } from "../src/texts/screens.ar.ts";
import { screens as english } from "../src/texts/screens.en.ts";

test("what was arranged is kept, and new sections come at its end", () => {
  const kept = completed({ order: ["pins", "case", "gone", "pins"], folded: ["case", "gone"] });
  expect(kept.order.slice(0, 2)).toEqual(["pins", "case"]);
  expect([...kept.order].sort()).toEqual([...SECTIONS].sort());
  expect(kept.folded).toEqual(["case"]);
  for (const broken of [null, 5, "x", {}, { order: "case" }]) expect(completed(broken).order).toEqual([...SECTIONS]);
});

test("a section passes over those that are not shown", () => {
  expect(moved(["case", "handover", "pins"], "pins", -1, ["case", "pins"])).toEqual(["pins", "handover", "case"]);
  expect(moved(["case", "pins"], "case", -1, ["case", "pins"])).toEqual(["case", "pins"]);
});

test("only addresses of the web become links", () => {
  expect(webAddress("https://shop.example/a")).toBe("https://shop.example/a");
  for (const bad of ["javascript:alert(1)", "data:text/html,x", "//shop.example", 5, null]) expect(webAddress(bad)).toBeUndefined();
});

test("every sentence of the screens is there in Arabic, with the same values", () => {
  const values = (sentence: unknown): string[] => [...new Set(JSON.stringify(sentence).match(/\{\w+\}/g) ?? [])].filter((name) => name !== "{n}").sort();
  expect(Object.keys(arabic).sort()).toEqual(Object.keys(english).sort());
  for (const [key, sentence] of Object.entries(english)) expect([key, values((arabic as Record<string, unknown>)[key])]).toEqual([key, values(sentence)]);
  expect(Object.keys(en)).toEqual(expect.arrayContaining(Object.keys(english)));
});
