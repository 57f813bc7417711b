/** What the widget keeps in the visitor's browser beside the client's own shelf, under one prefix for each site. */

import { type Keep, keepUnder } from "@deskbell/ui/keep.ts";

export type { Keep };

const prefixOf = (siteKey: string): string => `deskbell-widget/${siteKey}/`;
/** In the browser for a moment, when all was forgotten. */
const FORGOTTEN = "forgotten";

/** One of the browser's storages, or memory in its place. */
export function keepIn(kind: "localStorage" | "sessionStorage", siteKey: string): Keep {
  return keepUnder(kind, prefixOf(siteKey));
}

/** What the client keeps for the users of a site begins so. */
export function shelfPrefix(desk: string, siteKey: string): string {
  return `deskbell/${desk}/${siteKey}/`;
}

/** Whether somebody was known to this site before in this browser: a login is on the shelf. */
export function wasHere(desk: string, siteKey: string): boolean {
  return shelved(desk, siteKey).some((key) => key.endsWith("/refresh"));
}

/** Forget whoever used this site in this browser, and have its other tabs forget them. */
export function forgetAll(desk: string, siteKey: string): void {
  forget("sessionStorage", desk, siteKey);
  forget("localStorage", desk, siteKey);
  // Told by being put there; it need not stay.
  const told = keepIn("localStorage", siteKey);
  told.set(FORGOTTEN, "yes");
  told.remove(FORGOTTEN);
}

/** Do `work` when another tab has forgotten whoever used this site, once this one keeps nothing of them either. */
export function onForgotten(desk: string, siteKey: string, work: () => void): void {
  addEventListener("storage", ({ key, newValue }) => {
    if (key !== prefixOf(siteKey) + FORGOTTEN || newValue === null) return;
    forget("sessionStorage", desk, siteKey);
    work();
  });
}

function forget(kind: "localStorage" | "sessionStorage", desk: string, siteKey: string): void {
  const own = prefixOf(siteKey);
  try {
    const storage = globalThis[kind];
    const keys = Array.from({ length: storage.length }, (_, at) => storage.key(at) ?? "");
    for (const key of keys) {
      if (key.startsWith(own) || key.startsWith(shelfPrefix(desk, siteKey))) storage.removeItem(key);
    }
  } catch {
    // there was nothing to be kept in
  }
}

function shelved(desk: string, siteKey: string): string[] {
  try {
    return Object.keys(globalThis.localStorage).filter((key) => key.startsWith(shelfPrefix(desk, siteKey)));
  } catch {
    return [];
  }
}
