/** Times and places in line, in the reader's words. */

import type { Texts } from "@deskbell/ui/texts.ts";
import type { Key } from "./texts/en.ts";

const DAY_MS = 86_400_000;

export function timeOf(moment: Date, language: string): string {
  return new Intl.DateTimeFormat(language, { hour: "numeric", minute: "2-digit" }).format(moment);
}

/** *tomorrow at 9:00*; a moment that has passed is said as today's. */
export function whenOf(moment: Date, now: Date, texts: Texts<Key>): string {
  const language = texts.language.value;
  const time = timeOf(moment, language);
  const days = Math.round((dayStart(moment) - dayStart(now)) / DAY_MS);
  if (days <= 0) return texts.t("todayAt", { time });
  if (days === 1) return texts.t("tomorrowAt", { time });
  const day = new Intl.DateTimeFormat(language, days < 7 ? { weekday: "long" } : { day: "numeric", month: "long" }).format(moment);
  return texts.t("dayAt", { day, time });
}

/** `3rd`; a plain number where the language writes ordinals otherwise. */
export function placeOf(position: number, language: string): string {
  const number = new Intl.NumberFormat(language).format(position);
  if (!language.startsWith("en")) return number;
  const endings: Partial<Record<Intl.LDMLPluralRule, string>> = { one: "st", two: "nd", few: "rd" };
  return number + (endings[new Intl.PluralRules(language, { type: "ordinal" }).select(position)] ?? "th");
}

/** Seconds as whole minutes, the nearest, at least one: whoever says a wait says these. */
export function minutesOf(wait: readonly number[]): [number, number] {
  return wait.map((seconds) => Math.max(1, Math.round(seconds / 60))) as [number, number];
}

/** *about 4–7 min*, from seconds. */
export function waitOf(wait: readonly number[], texts: Texts<Key>): string {
  const [low, high] = minutesOf(wait);
  return low >= high ? texts.t("waitMinutes", { n: high }) : texts.t("waitRange", { low, high });
}

/** *We're back tomorrow at 9:00*; that it is closed, where nobody knows for how long. */
export function backOf(opens: string | null | undefined, texts: Texts<Key>): string {
  return opens ? texts.t("backWhen", { when: whenOf(new Date(opens), new Date(), texts) }) : texts.t("closedNow");
}

export function partOfDay(hour: number): "morning" | "afternoon" | "evening" {
  return hour >= 5 && hour < 12 ? "morning" : hour >= 12 && hour < 18 ? "afternoon" : "evening";
}

function dayStart(moment: Date): number {
  return new Date(moment.getFullYear(), moment.getMonth(), moment.getDate()).getTime();
}
