/**
 * Spans in the reader's language, by `Intl`: how long something takes. And the ticking signals that what grows old by
 * itself is drawn by; they tick only while somebody looks.
 */

import { type ReadonlySignal, signal } from "@preact/signals";
import { format } from "./times.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** The moment, as milliseconds, told again every so often. One timer for all who look. */
export function ticking(everyMs: number): ReadonlySignal<number> {
  let timer: ReturnType<typeof setInterval> | undefined;
  const now = signal(Date.now(), {
    watched() {
      now.value = Date.now();
      timer = setInterval(() => {
        now.value = Date.now();
      }, everyMs);
    },
    unwatched() {
      clearInterval(timer);
    },
  });
  return now;
}

/** For what counts seconds. */
export const eachSecond = ticking(1000);

/** How long something takes or has taken: `40 sec`, `4 min`, `2 hr`, `3 days`; never below zero. */
export function span(ms: number, language: string, display: "short" | "long" | "narrow" = "short"): string {
  const long = Math.max(0, ms);
  if (long < MINUTE_MS) return units("second", Math.floor(long / 1000), language, display);
  if (long < HOUR_MS) return units("minute", Math.floor(long / MINUTE_MS), language, display);
  if (long < DAY_MS) return units("hour", Math.floor(long / HOUR_MS), language, display);
  return units("day", Math.floor(long / DAY_MS), language, display);
}

/** `4–7 minutes`; one number where there is no range. */
export function range(low: number, high: number, language: string): string {
  const written = unit("minute", language, "long");
  return low >= high ? written.format(high) : written.formatRange(low, high);
}

function units(name: string, count: number, language: string, display: "short" | "long" | "narrow"): string {
  return unit(name, language, display).format(count);
}

function unit(name: string, language: string, display: "short" | "long" | "narrow"): Intl.NumberFormat {
  return format(`${name} ${display}`, language, () => new Intl.NumberFormat(language, { style: "unit", unit: name, unitDisplay: display }));
}
