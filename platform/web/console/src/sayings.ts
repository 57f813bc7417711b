/** Short sentences about what has just happened, said once, politely, at the lower edge. */

import { signal } from "@preact/signals";

export interface Saying {
  id: number;
  text: string;
  /** Something failed: it stays until it is closed. */
  bad?: boolean;
  action?: { title: string; run: () => void };
}

const STAYS_MS = 6000;
const AT_ONCE = 3;

export const sayings = signal<readonly Saying[]>([]);
let last = 0;

export function say(text: string, more: Omit<Saying, "id" | "text"> = {}): void {
  const saying: Saying = { id: ++last, text, ...more };
  const others = sayings.value.filter((other) => other.text !== text);
  sayings.value = [...others, saying].slice(-AT_ONCE);
  if (!saying.bad) {
    setTimeout(() => {
      unsay(saying.id);
    }, STAYS_MS);
  }
}

export function unsay(id: number): void {
  sayings.value = sayings.value.filter((saying) => saying.id !== id);
}
