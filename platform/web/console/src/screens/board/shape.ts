/** Numbers as places in a drawing: pure, so that charts can be checked without a browser. Below is more `y`. */

export interface Point {
  x: number;
  y: number;
}

const short = (value: number): number => Math.round(value * 10) / 10;

/** A line over the whole width; `most` is at the top. One value is a flat line. */
export function line(values: readonly number[], width: number, height: number, most: number): { path: string; points: Point[]; last: Point } {
  const step = values.length > 1 ? width / (values.length - 1) : width;
  const points = values.map((value, at) => ({ x: short(at * step), y: short(height - (most > 0 ? Math.min(1, value / most) : 0) * height) }));
  if (points.length === 1 && points[0]) points.push({ x: width, y: points[0].y });
  const path = points.map(({ x, y }, at) => `${at ? "L" : "M"}${x} ${y}`).join("");
  return { path, points, last: points.at(-1) ?? { x: 0, y: height } };
}

/** A round number at or above: 1, 2, 5, 10, 20, 50 … */
export function roundUp(value: number): number {
  if (value <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((by) => by * power).find((one) => one >= value) ?? 10 * power;
}

/** Parts of a wall of bars: where each begins and how wide it is. */
export function bars(count: number, width: number, gap = 0.35): { x: number; width: number }[] {
  const step = width / Math.max(1, count);
  return Array.from({ length: count }, (_, at) => ({ x: short(at * step + (step * gap) / 2), width: short(step * (1 - gap)) }));
}
