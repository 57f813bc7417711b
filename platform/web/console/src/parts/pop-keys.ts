/** Which item of a menu a key means, and where the menu lies. */

const GAP_PX = 4;
const EDGE_PX = 8;
const LETTERS_MS = 700;

/** The item an arrow, Home or End leads to. In a grid, up and down keep the column. */
export function stepIn(all: readonly HTMLElement[], key: string): HTMLElement | undefined {
  const [first] = all;
  if (!first) return undefined;
  if (key === "Home") return first;
  if (key === "End") return all.at(-1);
  const top = first.offsetTop;
  const columns = Math.max(1, all.findIndex((one) => one.offsetTop !== top));
  const grid = all.length > 1 && all[1]?.offsetTop === top;
  const across = grid ? (getComputedStyle(first).direction === "rtl" ? -1 : 1) : 0;
  const rows = grid && all.at(-1)?.offsetTop !== top ? columns : 1;
  const step = { ArrowDown: rows, ArrowUp: -rows, ArrowRight: across, ArrowLeft: -across }[key];
  if (!step) return undefined;
  const at = all.indexOf(document.activeElement as HTMLElement);
  const to = at + step;
  if (Math.abs(step) > 1) return all[to] ?? all[at];
  return all[(to + all.length) % all.length];
}

/** The first letters of an item, typed one after the other; the same letter again goes on to the next. */
export class Typed {
  #letters = "";
  #at = -Infinity;

  next(all: readonly HTMLElement[], key: string, now: number = performance.now()): HTMLElement | undefined {
    if (Array.from(key).length !== 1 || (key === " " && this.#letters === "")) return undefined;
    const letter = key.toLocaleLowerCase();
    const on = now - this.#at < LETTERS_MS;
    if (!on && key === " ") return undefined;
    this.#letters = on ? this.#letters + letter : letter;
    this.#at = now;
    const same = this.#letters === letter.repeat(this.#letters.length / letter.length);
    const wanted = same ? letter : this.#letters;
    const from = all.indexOf(document.activeElement as HTMLElement) + (same ? 1 : 0);
    const turned = [...all.slice(from), ...all.slice(0, from)];
    return turned.find((one) => (one.ariaLabel ?? one.textContent).trim().toLocaleLowerCase().startsWith(wanted));
  }
}

/** Below the button, or above it where there is no room; never beyond the window. */
export function place(over: HTMLElement, from: HTMLElement, align?: "start" | "end"): void {
  const [box, at] = [over.getBoundingClientRect(), from.getBoundingClientRect()];
  const rightToLeft = getComputedStyle(from).direction === "rtl";
  const right = align ? (align === "end") !== rightToLeft : at.left + at.width / 2 > innerWidth / 2;
  const wanted = right ? at.right - box.width : at.left;
  const below = at.bottom + GAP_PX + box.height <= innerHeight;
  over.style.left = `${Math.max(EDGE_PX, Math.min(wanted, innerWidth - box.width - EDGE_PX))}px`;
  over.style.top = `${Math.max(EDGE_PX, below ? at.bottom + GAP_PX : at.top - GAP_PX - box.height)}px`;
}
