/**
 * The part of a long list that is drawn: the rows near the window, and gaps as high as those left out. For `virtual.tsx`,
 * which draws all rows where it is given none of this.
 */

import { Heights } from "./heights.ts";
import { type Place, WHOLE } from "./virtual.tsx";

/** So much is drawn above and below what is seen, in windows. */
const AROUND = 1;

/** What stands in the page at one place: a row, by its index, or the room of some. */
export type Part = number | { gap: string; height: number };

export class Stretch<Row> {
  readonly #heights: Heights<Row>;
  #range: [from: number, to: number] = [0, 0];

  /** `estimate` is the height of a row that was not drawn yet, in pixels. */
  constructor(keyOf: (row: Row) => string, estimate: (row: Row) => number) {
    this.#heights = new Heights(keyOf, estimate);
  }

  /** Other rows; the heights of those that stand in the page already are asked for where they are not known. */
  update(rows: readonly Row[]): void {
    this.#heights.update(rows);
  }

  /** Where a row is now; -1 where it is not. It is looked for around where it was. */
  indexOf(key: string, near = this.#range[0]): number {
    return this.#heights.indexOf(key, near);
  }

  measured(index: number, height: number): void {
    this.#heights.measured(index, height);
  }

  /** What to draw; the row that holds the focus stays in the page. */
  parts(place: Place): Part[] {
    const { count } = this.#heights;
    const [from, to] = (this.#range = this.#window(place));
    const focused = this.#focused(place);
    const kept = focused < from || focused >= to ? focused : -1;
    const parts: Part[] = [];
    // Always there, so that what follows keeps its place among its siblings.
    const gap = (name: string, start: number, end: number): void => {
      parts.push({ gap: name, height: this.#heights.top(end) - this.#heights.top(start) });
    };
    gap("above", 0, kept >= 0 && kept < from ? kept : from);
    if (kept >= 0 && kept < from) {
      parts.push(kept);
      gap("between", kept + 1, from);
    }
    for (let index = from; index < to; index++) parts.push(index);
    if (kept >= to) {
      gap("between", to, kept);
      parts.push(kept);
    }
    gap("below", Math.max(to, kept + 1), count);
    return parts;
  }

  /** The row that holds the focus; -1: none. */
  #focused({ drawn }: Place): number {
    for (const [key, element] of drawn) if (element.matches(":focus-within")) return this.indexOf(key, Number(element.dataset["index"]));
    return -1;
  }

  /** Whether the window shows some that are not drawn. */
  lacks(place: Place): boolean {
    const [from, to] = this.#window(place);
    const [drawnFrom, drawnTo] = this.#range;
    const spare = place.height / 2;
    const above = from >= drawnFrom || this.#heights.top(drawnFrom) < place.top - spare;
    const below = to <= drawnTo || this.#heights.top(drawnTo) > place.top + spare * 3;
    return !(above && below);
  }

  /** The rows to draw: those seen, and some around. */
  #window({ height, top, atEnd, held }: Place): [from: number, to: number] {
    const { count, total } = this.#heights;
    if (count <= WHOLE) return [0, count];
    const start = atEnd ? total - height : held ? this.#heights.top(held.index) + held.below : top;
    return [this.#heights.at(start - height * AROUND), this.#heights.at(start + height * (1 + AROUND)) + 1];
  }
}
