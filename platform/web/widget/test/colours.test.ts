import { expect, test } from "vitest";
import { contrast, siteColours } from "../src/colours.ts";

test("a site's colours are painted with as they are where they can be read", () => {
  expect(siteColours({ color: "#0b5d3b", on_color: "#ffffff", glyph: "#ffd479" })).toEqual({ site: "#0b5d3b", on: "#ffffff", glyph: "#ffd479" });
});

test("words that could not be read are black or white, whichever is easier to read", () => {
  for (const color of ["#ffe08a", "#0b5d3b", "#888888", "#777", "#ff00ff"]) {
    const found = siteColours({ color, on_color: color, glyph: color });
    expect(contrast(color, found?.on ?? "")).toBeGreaterThanOrEqual(4.5);
    expect(found?.glyph).toBe(found?.on);
  }
});

test("what is no colour is not painted with", () => {
  for (const color of [null, "", "red", "#12", "url(https://elsewhere.example/x)", "#0b5d3b; background: red"]) {
    expect(siteColours({ color, on_color: null, glyph: null })).toBeUndefined();
  }
  expect(contrast("#000000", "#ffffff")).toBeCloseTo(21);
});
