/** What the build leaves out of the design tokens, and what it keeps. */

import { expect, test } from "vitest";
import { used } from "../../scripts/unused.ts";

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
