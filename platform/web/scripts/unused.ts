/** Of the design tokens, the widget carries those it uses: a variable or an animation nobody names is left out of the build. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";

const VARIABLE = /(--[\w-]+)\s*:[^;{}]*;/g;
const KEYFRAMES = /@keyframes ([\w-]+) \{(?:[^{}]*\{[^{}]*\})*[^{}]*\}/g;

/** Leave out of `sheet` what none of the sources in `folders` names, nor a variable that stays. */
export function withoutUnused(sheet: string, folders: string[]): Plugin {
  const text = folders
    .flatMap((folder) => readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name)))
    .filter((path) => /\.(css|tsx?)$/.test(path) && path !== sheet)
    .map((path) => readFileSync(path, "utf8"))
    .join("\n");
  return {
    name: "without-unused",
    enforce: "pre",
    transform: (code, id) => (id.startsWith(sheet) ? { code: used(code, text), map: null } : undefined),
  };
}

/** A sheet without what nobody names; what named it may then be unused in its turn. */
export function used(sheet: string, text: string): string {
  const bare = sheet.replace(/\/\*[\s\S]*?\*\//g, "");
  const named = (name: string): boolean => new RegExp(`${name}(?![\\w-])`).test(text) || new RegExp(`var\\(${name}\\)`).test(bare);
  const left = bare
    .replace(VARIABLE, (whole, name: string) => (named(name) ? whole : ""))
    .replace(KEYFRAMES, (whole, name: string) => (new RegExp(`\\b${name}\\b`).test(text) ? whole : ""));
  return left === bare ? bare : used(left, text);
}
