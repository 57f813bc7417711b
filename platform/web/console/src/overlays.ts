/** What lies above the frame: one thing at a time, and the focus goes back to where it was when it closes. */

import { signal } from "@preact/signals";

/** `cases`: ids of the cases that are meant; none: the one that is shown. */
export type Overlay =
  | { kind: "menu"; page?: "assign" | "labels" | "priority" | "merge" | "transfer"; cases?: string[]; query?: string }
  | { kind: "snooze"; cases?: string[] }
  | { kind: "shortcuts" };

export const overlay = signal<Overlay | undefined>(undefined);

export function show(what: Overlay): void {
  overlay.value = what;
}

export function hide(): void {
  overlay.value = undefined;
}
