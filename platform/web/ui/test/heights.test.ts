import { expect, test } from "vitest";
import { Heights } from "../src/heights.ts";

interface Row {
  key: string;
}

const row = (key: number | string): Row => ({ key: String(key) });
const rows = (count: number): Row[] => Array.from({ length: count }, (_, at) => row(at));

function heights(list: Row[]): Heights<Row> {
  const made = new Heights<Row>(({ key }) => key, () => 50);
  made.update(list);
  return made;
}

test("rows lie where measured and estimated heights put them", () => {
  const found = heights(rows(100));
  expect(found.total).toBe(5000);
  expect(found.measured(10, 80)).toBe(true);
  expect(found.measured(10, 80.2)).toBe(false);
  expect(found.total).toBe(5030);
  expect([found.top(10), found.top(11)]).toEqual([500, 580]);
  expect([found.at(-5), found.at(499), found.at(500), found.at(579), found.at(580), found.at(99_999)]).toEqual([0, 9, 10, 10, 11, 99]);
});

test("what was measured is remembered when older rows are put before it", () => {
  const list = rows(20);
  const found = heights(list);
  found.measured(0, 120);
  found.update([row("a"), row("b"), ...list]);
  expect([found.top(2), found.top(3)]).toEqual([100, 220]);
  expect(found.indexOf("0", 0)).toBe(2);
  expect(found.indexOf("gone", 5)).toBe(-1);
});

test("rows may be taken away, down to none", () => {
  const list = rows(200);
  const found = heights(list);
  expect(found.total).toBe(10_000);
  found.update(list.slice(0, 3));
  expect(found.total).toBe(150);
  found.update([]);
  expect([found.total, found.at(10), found.count]).toEqual([0, 0, 0]);
});

test("it agrees with adding up, whatever comes in which order", () => {
  let seed = 11;
  const random = (below: number): number => (seed = (seed * 48271) % 2147483647) % below;
  let list = rows(50);
  const known = new Map<string, number>();
  const found = heights(list);
  for (let step = 0; step < 500; step++) {
    const what = random(4);
    if (what === 0) list = [...list, row(`n${step}`)];
    else if (what === 1) list = [row(`p${step}`), row(`q${step}`), ...list];
    else if (what === 2 && list.length > 5) list = list.toSpliced(random(list.length), 2);
    found.update(list);
    const at = random(list.length);
    const height = 10 + random(200);
    found.measured(at, height);
    known.set(list[at]?.key ?? "", height);
    const index = random(list.length + 1);
    const expected = list.slice(0, index).reduce((sum, { key }) => sum + (known.get(key) ?? 50), 0);
    expect(found.top(index)).toBeCloseTo(expected);
  }
});
