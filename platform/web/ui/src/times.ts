/** Moments in the reader's language, by `Intl`: time of day and days. */

type When = Date | number | string;

// Making a format costs about as much as drawing a row.
const formats = new Map<string, unknown>();

/** A format of a language, made once. */
export function format<Format>(name: string, language: string, make: () => Format): Format {
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
