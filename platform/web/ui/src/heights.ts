/**
 * How high the rows of a long list are: as measured where they were drawn, as estimated elsewhere. It knows where
 * each begins and which lie in a window, without looking at a page.
 */

export class Heights<Row> {
  #rows: readonly Row[] = [];
  readonly #keyOf: (row: Row) => string;
  readonly #estimate: (row: Row) => number;
  readonly #measured = new Map<string, number>();
  #tops = new Float64Array(1); // the upper edge of each row, and the end of the last
  #valid = 0; // tops up to here are right

  constructor(keyOf: (row: Row) => string, estimate: (row: Row) => number) {
    this.#keyOf = keyOf;
    this.#estimate = estimate;
  }

  get count(): number {
    return this.#rows.length;
  }

  /** The height of all rows together. */
  get total(): number {
    return this.top(this.#rows.length);
  }

  /** Other rows; those at the start that are the same objects cost nothing. */
  update(rows: readonly Row[]): void {
    const before = this.#rows;
    if (rows === before) return;
    let same = 0;
    while (same < this.#valid && same < rows.length && rows[same] === before[same]) same++;
    this.#rows = rows;
    this.#valid = same;
    if (this.#tops.length <= rows.length) {
      const tops = new Float64Array(Math.ceil(rows.length * 1.5) + 64);
      tops.set(this.#tops.subarray(0, same + 1));
      this.#tops = tops;
    }
  }

  /** A row was drawn; whether that is news. */
  measured(index: number, height: number): boolean {
    const row = this.#rows[index];
    if (row === undefined) return false;
    const key = this.#keyOf(row);
    const known = this.#measured.get(key);
    if (known !== undefined && Math.abs(known - height) < 0.5) return false;
    this.#measured.set(key, height);
    this.#valid = Math.min(this.#valid, index);
    return true;
  }

  /** The upper edge of a row; of the one after the last, the end. */
  top(index: number): number {
    const wanted = Math.min(Math.max(index, 0), this.#rows.length);
    for (let at = this.#valid; at < wanted; at++) {
      const row = this.#rows[at] as Row;
      this.#tops[at + 1] = (this.#tops[at] ?? 0) + (this.#measured.get(this.#keyOf(row)) ?? this.#estimate(row));
    }
    this.#valid = Math.max(this.#valid, wanted);
    return this.#tops[wanted] ?? 0;
  }

  /** The row that covers this height; the first or last where none does. */
  at(height: number): number {
    let low = 0;
    let high = this.#rows.length - 1;
    this.top(this.#rows.length);
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#tops[middle] ?? 0) <= height) low = middle;
      else high = middle - 1;
    }
    return Math.max(low, 0);
  }

  /** Where a row is now; -1 where it is not. It is looked for around where it was. */
  indexOf(key: string, near = 0): number {
    const { length } = this.#rows;
    for (let away = 0; away < length; away++) {
      for (const at of away === 0 ? [near] : [near - away, near + away]) {
        const row = this.#rows[at];
        if (row !== undefined && this.#keyOf(row) === key) return at;
      }
      if (near - away < 0 && near + away >= length) break;
    }
    return -1;
  }
}
