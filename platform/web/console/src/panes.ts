/** Which panes there is room for, and which of them the agent has opened. */

import { computed, signal } from "@preact/signals";
import { preferences } from "./preferences.ts";
import { place } from "./route.ts";

export type Width = "wide" | "middle" | "narrow";

const WIDE = "(min-width: 80em)";
const NARROW = "(max-width: 47.99em)";

/** Measured in text, so that twice the text is half the window: three panes side by side, two, or one at a time. */
export const width = signal<Width>("wide");
/** What is drawn over the rest where there is no room beside it. */
export const drawer = signal<"views" | "context" | undefined>(undefined);
/** The thread alone. */
export const focusMode = signal(false);

export const contextShown = computed(() => (width.value === "wide" ? preferences.value.contextOpen && !focusMode.value : drawer.value === "context"));

export function toggleContext(): void {
  if (width.peek() === "wide") {
    focusMode.value = false;
    const now = preferences.peek();
    preferences.value = { ...now, contextOpen: !now.contextOpen };
  } else {
    drawer.value = drawer.peek() === "context" ? undefined : "context";
  }
}

/** Follow the window; what comes back stops it. */
export function followWidth(): () => void {
  const wide = matchMedia(WIDE);
  const narrow = matchMedia(NARROW);
  const look = (): void => {
    width.value = wide.matches ? "wide" : narrow.matches ? "narrow" : "middle";
    if (width.value === "wide") drawer.value = undefined;
  };
  look();
  // A drawer is for one errand: it closes when one goes somewhere.
  const unfollow = place.subscribe(() => {
    drawer.value = undefined;
  });
  wide.addEventListener("change", look);
  narrow.addEventListener("change", look);
  return () => {
    unfollow();
    wide.removeEventListener("change", look);
    narrow.removeEventListener("change", look);
  };
}
