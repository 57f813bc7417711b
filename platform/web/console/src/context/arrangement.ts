/** In which order the sections stand and which are folded, kept per user in this browser. */

import { signal } from "@preact/signals";

export const SECTIONS = ["case", "handover", "attributes", "conversation", "people", "pins", "earlier"] as const;
export type SectionName = (typeof SECTIONS)[number];

export interface Arrangement {
  order: SectionName[];
  folded: SectionName[];
}

const FIRST: Arrangement = { order: [...SECTIONS], folded: ["conversation", "people"] };

/** What was kept, with sections that are new at their end and those that are gone left out. */
export function completed(kept: unknown): Arrangement {
  const { order, folded } = (typeof kept === "object" && kept !== null ? kept : {}) as { order?: unknown; folded?: unknown };
  const known = (list: unknown): SectionName[] => (Array.isArray(list) ? SECTIONS.filter((name) => list.includes(name)) : []);
  if (!Array.isArray(order)) return FIRST;
  const ordered = [...new Set(order)].filter((name): name is SectionName => (SECTIONS as readonly unknown[]).includes(name));
  return { order: [...ordered, ...SECTIONS.filter((name) => !ordered.includes(name))], folded: known(folded) };
}

/** The order with one section a place further up (-1) or down (1) among those that are shown. */
export function moved(order: readonly SectionName[], name: SectionName, by: -1 | 1, shown: readonly SectionName[]): SectionName[] {
  const seen = order.filter((one) => shown.includes(one));
  const other = seen[seen.indexOf(name) + by];
  if (other === undefined) return [...order];
  return order.map((one) => (one === name ? other : one === other ? name : one));
}

export const arrangement = signal<Arrangement>(FIRST);

let shelf = "";

export function readArrangement(user: string): void {
  shelf = `deskbell/console/context/${user}`;
  try {
    arrangement.value = completed(JSON.parse(localStorage.getItem(shelf) ?? "null"));
  } catch {
    arrangement.value = FIRST;
  }
}

export function arrange(change: Partial<Arrangement>): void {
  arrangement.value = { ...arrangement.value, ...change };
  try {
    localStorage.setItem(shelf, JSON.stringify(arrangement.value));
  } catch {
    // Full, or forbidden: then it lasts as long as the page.
  }
}
