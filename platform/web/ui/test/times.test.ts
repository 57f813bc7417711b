import { effect } from "@preact/signals";
import { expect, test, vi } from "vitest";
import { range, span, ticking } from "../src/spans.ts";
import { day, timeOfDay } from "../src/times.ts";

const now = new Date(2026, 10, 21, 15, 30).getTime();

test("days are said as a reader would say them", () => {
  expect(day(new Date(2026, 10, 21, 0, 1), "en", now)).toBe("Today");
  expect(day(new Date(2026, 10, 20, 23, 59), "en", now)).toBe("Yesterday");
  expect(day(new Date(2026, 10, 16), "en-GB", now)).toMatch(/^Mon,? 16 Nov$/);
  expect(day(new Date(2025, 10, 16), "en", now)).toContain("2025");
  expect(day(new Date(2026, 10, 21), "ar", now)).toBe("اليوم");
});

test("the day before the first of a month is yesterday, also where the clocks change", () => {
  expect(day(new Date(2026, 9, 31, 12), "en", new Date(2026, 10, 1, 0, 5).getTime())).toBe("Yesterday");
  expect(day(new Date(2026, 2, 28, 23, 30), "en", new Date(2026, 2, 29, 23, 30).getTime())).toBe("Yesterday");
});

test("the time of day is said as the reader's clock says it", () => {
  expect(timeOfDay(new Date(2026, 10, 20, 9, 5), "en-GB")).toBe("9:05");
  expect(timeOfDay(new Date(2026, 10, 20, 9, 5), "en-US")).toMatch(/^9:05\sAM$/);
});

test("waits and ranges count in whole units", () => {
  expect(span(4 * 60_000 + 59_000, "en")).toBe("4 min");
  expect(span(-5, "en")).toBe("0 sec");
  expect(span(26 * 3_600_000, "en")).toBe("1 day");
  expect(range(4, 7, "en")).toBe("4–7 minutes");
  expect(range(1, 1, "en")).toBe("1 minute");
});

test("a clock ticks only while somebody looks", () => {
  vi.useFakeTimers();
  try {
    const clock = ticking(1000);
    expect(vi.getTimerCount()).toBe(0);
    const seen: number[] = [];
    const stop = effect(() => {
      seen.push(clock.value);
    });
    vi.advanceTimersByTime(2500);
    const ticks = new Set(seen).size;
    stop();
    expect(ticks).toBe(3);
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});
