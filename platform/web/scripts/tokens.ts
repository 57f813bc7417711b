/**
 * Of the design tokens, the widget carries those it uses, under short names: a variable or an animation nobody names is
 * left out of the build, and a variable that only sheets name is called by a letter or two.
 */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";
import { withinReach } from "../widget/src/reach.ts";

const VARIABLE = /(--[\w-]+)\s*:[^;{}]*;/g;
const KEYFRAMES = /@keyframes ([\w-]+) \{(?:[^{}]*\{[^{}]*\})*[^{}]*\}/g;

/** The parts of the widget that come later: where their tokens are put, and the sheets that are theirs. */
interface Later {
  tokens: string;
  sheets: string[];
}

/**
 * Leave out of `sheet` what none of the sources in `folders` names, nor a variable that stays, and set the rest on the
 * wrapper. What only later sheets name goes with them.
 */
export function withoutUnused(sheet: string, folders: string[], later: Later): Plugin {
  const paths = folders
    .flatMap((folder) => readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name)))
    .filter((path) => /\.(css|tsx?)$/.test(path) && path !== sheet);
  const text = (of: string[]): string => of.map((path) => readFileSync(path, "utf8")).join("\n");
  const all = readFileSync(sheet, "utf8");
  const first = used(all, text(paths.filter((path) => !later.sheets.includes(path))));
  const second = without(used(all, text(paths)), first);
  return {
    name: "without-unused",
    enforce: "pre",
    // The minifier's own, for `light-dark()`, which no sheet has.
    renderChunk: (code) => ({ code: code.replace(/--lightningcss-(?:light|dark):[^;]*;/g, ""), map: null }),
    transform: (_, id) => {
      const path = id.split("?")[0];
      if (path !== sheet && path !== later.tokens) return undefined;
      return { code: withinReach(path === sheet ? first : second), map: null };
    },
  };
}

/** A sheet without the variables and animations that another has. */
export function without(sheet: string, other: string): string {
  const known = new Set([...other.matchAll(VARIABLE), ...other.matchAll(KEYFRAMES)].map(([, name]) => name));
  const fresh = (whole: string, name: string): string => (known.has(name) ? "" : whole);
  return sheet.replace(VARIABLE, fresh).replace(KEYFRAMES, fresh).replace(/color-scheme:[^;]*;/g, "");
}

/** Give the variables of all sheets in `folders` short names, but for those that programs name or one of the sheets `apart`. */
export function withShortNames(folders: string[], apart: string[]): Plugin {
  const files = folders.flatMap((folder) => readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name)));
  const read = (wanted: (path: string) => boolean): string => files.filter(wanted).sort().map((path) => readFileSync(path, "utf8")).join("\n");
  const names = shortNames(
    read((path) => path.endsWith(".css") && !apart.includes(path)),
    read((path) => /\.tsx?$/.test(path) || apart.includes(path)),
  );
  return {
    name: "with-short-names",
    enforce: "pre",
    transform: (code, id) => {
      const path = id.split("?")[0] ?? "";
      return path.endsWith(".css") && !apart.includes(path) ? { code: renamed(code, names), map: null } : undefined;
    },
  };
}

const NAME = /--[a-z][\w-]*/g;
const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** A short name for each variable of these sheets that nobody else names, the shortest for those named most. */
export function shortNames(sheets: string, others: string): Map<string, string> {
  const taken = new Set(others.match(NAME));
  const short = new Map<string, string>();
  let at = 0;
  const count = new Map<string, number>();
  for (const name of sheets.match(NAME) ?? []) count.set(name, (count.get(name) ?? 0) + 1);
  for (const [name] of [...count].sort(([, one], [, other]) => other - one)) {
    if (taken.has(name)) continue;
    let next: string;
    do {
      next = `--${LETTERS.charAt(Math.floor(at / 52) - 1)}${LETTERS.charAt(at % 52)}`;
      at++;
    } while (taken.has(next));
    short.set(name, next);
  }
  return short;
}

export function renamed(sheet: string, names: ReadonlyMap<string, string>): string {
  return sheet.replace(NAME, (name) => names.get(name) ?? name);
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
