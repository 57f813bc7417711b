/** How an agent likes the console, kept per user in this browser, over a logout too. Of visitors it holds nothing but the
 * numbers of open rooms. */

import { effect, signal } from "@preact/signals";
import type { Sort } from "./records.ts";

export interface Preferences {
  theme: "system" | "light" | "dark";
  density: "expanded" | "condensed";
  /** BCP 47; empty: as the browser says. */
  language: string;
  sort: Sort;
  /** Pixels at 100 % text. */
  widths: { views: number; list: number; context: number };
  viewsOpen: boolean;
  contextOpen: boolean;
  /** Open conversations are shown above the thread. */
  tabs: boolean;
  /** Which they are, by room. */
  open: readonly string[];
  /** Single keys such as `T`; those with Ctrl or Alt are not meant. */
  singleKeys: boolean;
  /** Keys of the agent's own choice, by command. None: the command has no key. */
  keys: Readonly<Record<string, readonly string[]>>;
  sound: boolean;
  desktopNotices: boolean;
  /** What sends: `enter`, or `mod+enter` with Enter as a new line. */
  sendKey: "enter" | "mod+enter";
}

export const DEFAULTS: Preferences = {
  theme: "system",
  density: "expanded",
  language: "",
  sort: "waiting",
  widths: { views: 204, list: 332, context: 316 },
  viewsOpen: true,
  contextOpen: true,
  tabs: true,
  open: [],
  singleKeys: true,
  keys: {},
  sound: true,
  desktopNotices: false,
  sendKey: "enter",
};

export const preferences = signal<Preferences>(DEFAULTS);

export function prefer(change: Partial<Preferences>): void {
  preferences.value = { ...preferences.value, ...change };
}

/** Take up a user's preferences and keep each change; what comes back stops it. */
export function keepPreferences(user: string): () => void {
  const name = `deskbell/console/preferences/${user}`;
  preferences.value = { ...DEFAULTS, ...stored(name) };
  return effect(() => {
    try {
      localStorage.setItem(name, JSON.stringify(preferences.value));
    } catch {
      // Full, or forbidden: then they last as long as the page.
    }
  });
}

function stored(name: string): Partial<Preferences> {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(name) ?? "{}");
    return typeof found === "object" && found !== null ? found : {};
  } catch {
    return {};
  }
}
