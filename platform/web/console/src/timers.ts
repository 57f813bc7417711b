/**
 * How long somebody waits, and how much of the promised time is left. Grey until half of it has gone, amber after,
 * red when it is over; the words alone tell as much.
 */

import type { CaseRow } from "./records.ts";
import { needsUs } from "./lists.ts";
import { t, texts } from "./words.ts";

export interface Timer {
  tone: "calm" | "mid" | "late";
  text: string;
  /** The clock or the moon beside it. */
  glyph?: "clock" | "warn" | "moon";
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

type Unit = "min" | "h" | "d";

/** A span in the one unit that says enough: minutes, then hours, then days; never less than a minute. */
export function span(ms: number): { n: number; unit: Unit } {
  if (ms >= 2 * DAY) return { n: Math.floor(ms / DAY), unit: "d" };
  if (ms >= 100 * MINUTE) return { n: Math.round(ms / HOUR), unit: "h" };
  return { n: Math.max(1, Math.round(ms / MINUTE)), unit: "min" };
}

/** What stands at the right of a row. `last`: when something was last said there, where no case tells. */
export function timerOf(row: CaseRow | undefined, now: number, last?: string): Timer {
  if (row?.status === "snoozed" && row.snoozed_until) {
    return { tone: "calm", glyph: "moon", text: t("timer.until", { time: when(row.snoozed_until, now) }) };
  }
  if (row && needsUs(row)) {
    // The first answer is owed since the case was opened, a later one since the visitor wrote.
    const since = Date.parse(row.waiting_since ?? (row.first_response_at ? (row.last?.created_at ?? row.opened_at) : row.opened_at));
    const due = row.target_at ? Date.parse(row.target_at) : NaN;
    if (Number.isNaN(due)) return { tone: "calm", text: words("waited", now - since) };
    if (now > due) return { tone: "late", glyph: "warn", text: lateOrLeft(due - now) };
    const half = now - since >= (due - since) / 2;
    return { tone: half ? "mid" : "calm", ...(half && { glyph: "clock" as const }), text: lateOrLeft(due - now) };
  }
  const moment = last ?? row?.last?.created_at ?? row?.opened_at;
  return { tone: "calm", text: moment ? when(moment, now) : "" };
}

/** `4 min left`, `2 min late`; below zero it is late. */
export function lateOrLeft(ms: number): string {
  return ms < 0 ? words("late", -ms) : words("left", ms);
}

function words(what: "left" | "late" | "waited", ms: number): string {
  const { n, unit } = span(ms);
  return t(`timer.${what}.${unit}`, { n });
}

/** A moment as one would say it: the hour today, then *Yesterday*, the day of the week, the date. */
export function when(time: string, now: number): string {
  const moment = new Date(time);
  const language = texts.language.value;
  const say = (options: Intl.DateTimeFormatOptions): string => new Intl.DateTimeFormat(language, options).format(moment);
  const days = Math.round((midnight(new Date(now)) - midnight(moment)) / DAY);
  if (days === 0) return say({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  if (Math.abs(days) === 1) return capital(new Intl.RelativeTimeFormat(language, { numeric: "auto" }).format(-days, "day"));
  if (Math.abs(days) < 7) return say({ weekday: "long" });
  const otherYear = moment.getFullYear() !== new Date(now).getFullYear();
  return say({ day: "numeric", month: "short", ...(otherYear && { year: "numeric" as const }) });
}

/** A span for a sentence, such as *6 minutes*. */
export function spoken(ms: number): string {
  const { n, unit } = span(ms);
  return t(`timer.span.${unit}`, { n });
}

function midnight(date: Date): number {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
}

function capital(word: string): string {
  return word.charAt(0).toLocaleUpperCase() + word.slice(1);
}
