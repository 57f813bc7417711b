/**
 * Rows that are made anew with each change, and are the same objects as before wherever nothing of them has changed,
 * so that only what has is drawn again.
 */

type Fields = Record<string, unknown>;

/** What a row holds that is made anew with it; all else is compared as it is. */
const WITHIN = new Set(["unsent", "waiting", "letter", "error"]);

/** `after`, with the rows of `before` where they say the same. Costs little where rows came at the end. */
export function steady<Row extends { key: string }>(before: readonly Row[], after: readonly Row[]): Row[] {
  let known: Map<string, Row> | undefined;
  let moved = false;
  return after.map((row, at) => {
    let old = before[at];
    if (old?.key !== row.key && (old || moved)) {
      moved = true;
      known ??= new Map(before.map((one) => [one.key, one]));
      old = known.get(row.key);
    }
    return old && alike(old, row) ? old : row;
  });
}

function alike(one: Fields, other: Fields): boolean {
  for (const name in one) if (!(name in other)) return false;
  for (const name in other) {
    const [was, is] = [one[name], other[name]];
    if (was === is && name in one) continue;
    if (Array.isArray(was) && Array.isArray(is)) {
      if (was.length !== is.length || was.some((item, at) => item !== is[at])) return false;
    } else if (!WITHIN.has(name) || !isFields(was) || !isFields(is) || !alike(was, is)) return false;
  }
  return true;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null;
}
