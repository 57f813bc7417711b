/** Times and counts, in the words of the reader's language. All is pure; `now` is milliseconds since 1970. */

/** `6:05`, `1:02:33`; never below zero. */
export function elapsed(ms: number): string {
  const all = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number): string => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

export function since(at: string | null | undefined, now: number): number {
  return at ? Math.max(0, now - Date.parse(at)) : 0;
}

/** The time alone today, the day as well before. */
export function moment(at: string, language: string, now = Date.now()): string {
  const date = new Date(at);
  const today = new Date(now);
  const sameDay = date.toDateString() === today.toDateString();
  const day: Intl.DateTimeFormatOptions = { day: "numeric", month: "short" };
  if (date.getFullYear() !== today.getFullYear()) day.year = "numeric";
  return new Intl.DateTimeFormat(language, { ...(sameDay ? {} : day), hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(date);
}

export function clockTime(at: string, language: string): string {
  return new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(new Date(at));
}

/** The words of a duration: `in 4 min`, `2 h ago`. Positive lies ahead. */
export function relative(ms: number, language: string): string {
  const format = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" });
  const minutes = Math.round(ms / 60_000);
  if (Math.abs(minutes) < 60) return format.format(minutes, "minute");
  const hours = Math.round(minutes / 60);
  return Math.abs(hours) < 24 ? format.format(hours, "hour") : format.format(Math.round(hours / 24), "day");
}

/** `9 ms`, `1.38 s`. */
export function took(ms: number, language: string): string {
  const big = ms >= 1000;
  const figure = new Intl.NumberFormat(language, { maximumFractionDigits: big ? 2 : ms < 10 ? 1 : 0 });
  return `${figure.format(big ? ms / 1000 : ms)} ${big ? "s" : "ms"}`;
}
