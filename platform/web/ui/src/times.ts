/**
 * Moments and spans in the reader's language, by `Intl`: time of day, days, waits. And the ticking signals that what
 * grows old by itself is drawn by; they tick only while somebody looks.
 */

import { type ReadonlySignal, signal } from "@preact/signals";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

type When = Date | number | string;

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
/** For what counts minutes: no wait is shown more than ten seconds too short. */
export const eachTenSeconds = ticking(10_000);

// Making a format costs about as much as drawing a row.
const formats = new Map<string, unknown>();

function format<Format>(name: string, language: string, make: () => Format): Format {
  const key = `${name} ${language}`;
  let known = formats.get(key) as Format | undefined;
  if (known === undefined) formats.set(key, (known = make()));
  return known;
}

function dates(name: string, language: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  return format(name, language, () => new Intl.DateTimeFormat(language, options));
}

/** `10:03`, or `10:03 AM` where that is the custom. */
export function timeOfDay(when: When, language: string): string {
  return dates("time", language, { hour: "numeric", minute: "2-digit" }).format(new Date(when));
}

/** A moment in full, for a tooltip. */
export function moment(when: When, language: string): string {
  return dates("moment", language, { dateStyle: "full", timeStyle: "short" }).format(new Date(when));
}

/** The day a moment lies in, by the reader's calendar: two are alike only on the same day. */
export function dayOf(when: When): string {
  const date = new Date(when);
  return `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`;
}

/** `Today`, `Yesterday`, `Mon, Nov 16`; with the year where it is another one. */
export function day(when: When, language: string, now = Date.now()): string {
  const [date, today] = [new Date(when), new Date(now)];
  for (const back of [0, -1]) {
    const other = new Date(today.getFullYear(), today.getMonth(), today.getDate() + back);
    if (dayOf(other) !== dayOf(date)) continue;
    const word = format("relative", language, () => new Intl.RelativeTimeFormat(language, { numeric: "auto" })).format(back, "day");
    return word.charAt(0).toLocaleUpperCase(language) + word.slice(1);
  }
  const options: Intl.DateTimeFormatOptions = { weekday: "short", day: "numeric", month: "short" };
  if (date.getFullYear() === today.getFullYear()) return dates("day", language, options).format(date);
  return dates("day of year", language, { ...options, year: "numeric" }).format(date);
}

/** The time today, else the day: for lists, where there is room for one of them. */
export function timeOrDay(when: When, language: string, now = Date.now()): string {
  return dayOf(when) === dayOf(now) ? timeOfDay(when, language) : day(when, language, now);
}

/** How long something takes or has taken: `40 sec`, `4 min`, `2 hr`, `3 days`; never below zero. */
export function span(ms: number, language: string, display: "short" | "long" | "narrow" = "short"): string {
  const long = Math.max(0, ms);
  if (long < MINUTE_MS) return units("second", Math.floor(long / 1000), language, display);
  if (long < HOUR_MS) return units("minute", Math.floor(long / MINUTE_MS), language, display);
  if (long < DAY_MS) return units("hour", Math.floor(long / HOUR_MS), language, display);
  return units("day", Math.floor(long / DAY_MS), language, display);
}

/** `4–7 minutes` of two numbers of seconds, rounded up to whole minutes; one number where they are the same. */
export function range(lowS: number, highS: number, language: string, display: "short" | "long" = "long"): string {
  const low = Math.max(1, Math.ceil(lowS / 60));
  const high = Math.max(low, Math.ceil(highS / 60));
  const written = unit("minute", language, display);
  return low === high ? written.format(low) : written.formatRange(low, high);
}

function units(name: string, count: number, language: string, display: "short" | "long" | "narrow"): string {
  return unit(name, language, display).format(count);
}

function unit(name: string, language: string, display: "short" | "long" | "narrow"): Intl.NumberFormat {
  return format(`${name} ${display}`, language, () => new Intl.NumberFormat(language, { style: "unit", unit: name, unitDisplay: display }));
}
