import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const SRC = join(import.meta.dirname, "../src");
const NARROWER = /@(media|container)\b[^{]*\b(?:width|inline-size)\b[^{]*/g;

/** Each rule that asks how wide it is, with where it stands. */
const asked = readdirSync(SRC, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".css"))
  .flatMap((path) => [...readFileSync(join(SRC, path), "utf8").matchAll(NARROWER)].map(([rule]) => `${path} ${rule.trim()}`));

test("what fits beside one another is reckoned in letters, so that large text finds its room", () => {
  expect(asked.length).toBeGreaterThan(10);
  expect(asked.filter((rule) => /\dpx/.test(rule))).toEqual([]);
});

test("the screens turn into those of a phone at the width at which the frame does", () => {
  const widths = asked.filter((rule) => rule.includes("@media")).map((rule) => /[\d.]+em/.exec(rule)?.[0]);
  expect([...new Set(widths)].sort()).toEqual(["29.99em", "40em", "47.99em", "63.99em", "79.99em"]);
});
