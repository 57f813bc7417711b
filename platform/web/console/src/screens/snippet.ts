/**
 * A piece of a message with what was found in it. The server counts in Unicode code points, browsers in UTF-16 units:
 * an emoji before a mark would move it. The parts are text, to be drawn as text.
 */

export interface Piece {
  text: string;
  marked: boolean;
}

/** The text cut into pieces, in order and complete. Marks outside the text, empty or overlapping are cut to what is there. */
export function pieces(text: string, marks: readonly (readonly [number, number])[]): Piece[] {
  const points = Array.from(text);
  const found: Piece[] = [];
  let at = 0;
  const add = (to: number, marked: boolean): void => {
    if (to > at) found.push({ text: points.slice(at, to).join(""), marked });
    at = Math.max(at, to);
  };
  for (const [start, length] of [...marks].sort((a, b) => a[0] - b[0])) {
    const end = Math.min(points.length, start + length);
    if (end <= at) continue;
    add(Math.min(start, points.length), false);
    add(end, true);
  }
  add(points.length, false);
  return found;
}
