import { expect, test } from "vitest";
import { Texts } from "@deskbell/ui/texts.ts";
import { arabic } from "../src/texts/ar.ts";
import { english } from "../src/texts/en.ts";
import { backOf, partOfDay, placeOf, waitOf, whenOf } from "../src/when.ts";

const texts = new Texts(english);

test("a place in line is an ordinal in English, and a number elsewhere", () => {
  expect([1, 2, 3, 4, 11, 12, 13, 21, 22, 103].map((place) => placeOf(place, "en"))).toEqual([
    "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "103rd",
  ]);
  expect(placeOf(3, "ar")).toBe(new Intl.NumberFormat("ar").format(3));
});

test("a wait is a range in whole minutes, or one number where both ends are the same", () => {
  expect(waitOf([240, 420], texts)).toBe("about 4–7 min");
  expect(waitOf([10, 50], texts)).toBe("about 1 minute");
  expect(waitOf([290, 310], texts)).toBe("about 5 minutes");
});

test("an opening is today, tomorrow, on a weekday or at a date", () => {
  const now = new Date(2026, 10, 20, 18, 30);
  expect(whenOf(new Date(2026, 10, 20, 19, 0), now, texts)).toMatch(/^today at 7:00/);
  expect(whenOf(new Date(2026, 10, 21, 9, 0), now, texts)).toMatch(/^tomorrow at 9:00/);
  expect(whenOf(new Date(2026, 10, 23, 9, 0), now, texts)).toMatch(/^Monday at 9:00/);
  expect(whenOf(new Date(2026, 11, 7, 9, 0), now, texts)).toMatch(/^December 7 at 9:00/);
});

test("who is closed says when they are back, where that is known", () => {
  const [now, back] = [new Date(), new Date()];
  back.setDate(now.getDate() + 1);
  back.setHours(9, 0, 0, 0);
  expect(backOf(back.toISOString(), texts)).toMatch(/^We're back tomorrow at 9:00/);
  for (const unknown of [null, undefined]) expect(backOf(unknown, texts)).toBe("We're closed right now");
});

test("a night belongs to the evening before", () => {
  expect([4, 5, 11, 12, 17, 18, 23, 0].map(partOfDay)).toEqual([
    "evening", "morning", "morning", "afternoon", "afternoon", "evening", "evening", "evening",
  ]);
});

test("everything that is said in English is said in Arabic, with the same things put in", () => {
  const put = (said: unknown): string[] => [...new Set(JSON.stringify(said).match(/\{\w+\}/g) ?? [])].sort();
  const names = new Set(["poweredBy"]); // a name
  for (const [key, said] of Object.entries(english)) {
    if (names.has(key)) continue;
    expect(arabic, `${key} has no Arabic`).toHaveProperty([key]);
    expect([key, put(arabic[key])]).toEqual([key, put(said)]);
  }
});
