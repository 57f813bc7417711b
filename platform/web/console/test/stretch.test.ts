import { describe, expect, test } from "vitest";

import { Stretch } from "../src/thread/stretch.ts";
import { message } from "./samples.ts";

function run(from: number, to: number): ReturnType<typeof message>[] {
  return Array.from({ length: to - from + 1 }, (_, index) => message(from + index));
}

function stretch(from: number, to: number, kept = 1000): Stretch {
  const made = new Stretch(kept);
  made.begin(run(from, to), { before: true, after: false });
  return made;
}

function ends(of: Stretch): number[] {
  return [of.first, of.last, of.messages.length];
}

describe("a part of the past", () => {
  test("grows at both ends, and takes what overlaps once", () => {
    const part = stretch(50, 60);
    part.before(run(40, 52), false);
    part.after(run(58, 70), false);
    expect(ends(part)).toEqual([40, 70, 31]);
    expect([part.moreBefore, part.moreAfter]).toEqual([false, false]);
  });

  test("keeps a bounded number: scrolling up drops the newest, and says so", () => {
    const part = stretch(5_001, 5_900);
    part.before(run(4_001, 5_000), true);
    expect(ends(part)).toEqual([4_001, 5_000, 1_000]);
    expect(part.live).toBe(false);
    expect(part.born([message(6_000)])).toBe(0);
  });

  test("a burst at the end drops the oldest, and says so", () => {
    const part = new Stretch(1_000);
    for (let seq = 1; seq <= 5_000; seq++) part.born([message(seq)]);
    expect(part.last).toBe(5_000);
    expect(part.messages.length).toBeLessThanOrEqual(1_400);
    expect(part.moreBefore).toBe(true);
  });

  test("a new message that comes twice is there once", () => {
    const part = stretch(1, 3);
    expect(part.born([message(3), message(4)])).toBe(1);
    expect(ends(part)).toEqual([1, 4, 4]);
  });

  test("a later state replaces an earlier one, never the other way round", () => {
    const part = stretch(1, 3);
    expect(part.changed([message(2, { changed_seq: 9, content: "better" })])).toBe(true);
    expect(part.changed([message(2)])).toBe(false);
    expect(part.messages[1]?.content).toBe("better");
  });

  test("a change of what is not here changes nothing", () => {
    const part = stretch(5, 6);
    expect(part.changed([message(2, { changed_seq: 9 })])).toBe(false);
  });

  test("what is purged is gone, and nothing is before it", () => {
    const part = stretch(1, 9);
    part.purge(5);
    expect(ends(part)).toEqual([5, 9, 5]);
    expect(part.moreBefore).toBe(false);
  });
});
