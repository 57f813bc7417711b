/**
 * Which lines of a long list are drawn: those in sight and a few around. Heights are fixed, so that a place is a sum
 * and nothing is measured.
 */

export interface Span {
  first: number;
  /** Not included. */
  end: number;
}

/** Where each line begins, and at the end where the list ends. */
export function tops(heights: readonly number[]): number[] {
  const found = [0];
  for (const height of heights) found.push((found.at(-1) ?? 0) + height);
  return found;
}

export function inSight(starts: readonly number[], scrolled: number, height: number, around: number): Span {
  const lines = starts.length - 1;
  return {
    first: Math.max(0, lineAt(starts, scrolled - around)),
    end: Math.min(lines, lineAt(starts, scrolled + height + around) + 1),
  };
}

/** The line at a place; before the first one it is the first. */
export function lineAt(starts: readonly number[], place: number): number {
  let low = 0;
  let high = starts.length - 2;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((starts[middle] ?? 0) <= place) low = middle;
    else high = middle - 1;
  }
  return Math.max(0, low);
}
