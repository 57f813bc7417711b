/** What the build leaves out of the design tokens, what it keeps, and what it calls them. */

import { expect, test } from "vitest";
import { renamed, shortNames, used, without } from "../../scripts/tokens.ts";

const SHEET = `:host { --line: #eee; --own: var(--line); --spare: var(--far); --far: #111; --own-tint: #fff; }
@keyframes turn { to { rotate: 360deg } }
@keyframes gone { 0%, 100% { opacity: 0 } 50% { opacity: 1 } }
@media (prefers-contrast: more) { :host { --line: #000; --far: #222; } }`;

test("a token that is named stays, with what it is made of, wherever it is set; one that only the others name goes", () => {
  const left = used(SHEET, ".panel { color: var(--own); animation: turn 1s }");
  expect(left.match(/--[\w-]+(?=:)/g)).toEqual(["--line", "--own", "--line"]);
  expect(left.match(/@keyframes \w+/g)).toEqual(["@keyframes turn"]);
  expect(left).toContain("@media (prefers-contrast: more) { :host { --line: #000;");
  expect(left.split("{").length).toBe(left.split("}").length);
});

test("a variable that only sheets name has a short name everywhere, one that a program sets has its own", () => {
  const sheet = ".a { --line: 1px; --line-soft: 2px; --site: red; --b: 3px; border: var(--line) solid var(--site); inset: var(--line-soft, var(--b)) }";
  const names = shortNames(sheet, 'style.setProperty("--site", colour); ".c { left: var(--a) }"');
  const left = renamed(sheet, names);
  expect(left).toBe(".a { --b: 1px; --c: 2px; --site: red; --d: 3px; border: var(--b) solid var(--site); inset: var(--c, var(--d)) }");
});

test("there are short names for more variables than letters, no two alike", () => {
  const many = Array.from({ length: 120 }, (_, at) => `--own-${at}: 1px;`).join(" ");
  const names = [...shortNames(many, "").values()];
  expect(new Set(names).size).toBe(120);
  expect(names.every((name) => /^--[a-zA-Z]{1,2}$/.test(name))).toBe(true);
});

test("what later sheets alone name is told apart from what is there already", () => {
  const first = used(SHEET, ".panel { color: var(--own) }");
  const later = without(used(SHEET, ".panel { color: var(--own); animation: turn 1s; background: var(--spare) }"), first);
  expect(first.match(/--[\w-]+(?=:)/g)).toEqual(["--line", "--own", "--line"]);
  expect(later.match(/--[\w-]+(?=:)/g)).toEqual(["--spare", "--far", "--far"]);
  expect([first.includes("turn"), later.includes("@keyframes turn")]).toEqual([false, true]);
});
