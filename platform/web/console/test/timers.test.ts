import { beforeEach, describe, expect, test } from "vitest";
import { presets } from "../src/snooze.tsx";
import { span, timerOf } from "../src/timers.ts";
import { speak } from "../src/words.ts";
import { answered, at, caseRow, NOW } from "./case-samples.ts";

beforeEach(() => speak("en"));

describe("the timer of a row", () => {
  const waiting = (since: number, due: number) => timerOf(caseRow("a", { opened_at: at(since), waiting_since: at(since), target_at: at(due) }), NOW);

  test("is grey in the first half of the time, brass in the second, red and in words when it is over", () => {
    expect(waiting(-3, 5)).toEqual({ tone: "calm", text: "5 min left" });
    expect(waiting(-4, 4)).toEqual({ tone: "mid", glyph: "clock", text: "4 min left" });
    expect(waiting(-10, -2)).toEqual({ tone: "late", glyph: "warn", text: "2 min late" });
  });

  test("says how long somebody has waited where no time was promised", () => {
    expect(timerOf(caseRow("a", { waiting_since: at(-6), target_at: null }), NOW).text).toBe("6 min waiting");
  });

  test("says when something was last said where nobody waits", () => {
    expect(timerOf(answered("a", at(-60 * 24 * 30)), NOW)).toEqual({ tone: "calm", text: "Oct 22" });
  });

  test("speaks Arabic with the forms of its numbers", async () => {
    await speak("ar");
    expect(waiting(-10, -2).text).toBe("تأخّر دقيقتان");
    expect(waiting(-10, -11).text).not.toBe(waiting(-10, -3).text);
  });
});

test("a span is said in one unit, and is never nothing", () => {
  expect([span(1), span(95 * 60_000), span(3 * 3_600_000), span(72 * 3_600_000)]).toEqual([
    { n: 1, unit: "min" }, { n: 95, unit: "min" }, { n: 3, unit: "h" }, { n: 3, unit: "d" },
  ]);
});

test("moments to snooze until lie ahead, and Monday is never today", () => {
  for (let day = 0; day < 7; day++) {
    const now = NOW + day * 86_400_000;
    const found = presets(now);
    expect(found.every(({ until }) => until.getTime() > now)).toBe(true);
    const monday = found.find(({ name }) => name === "snooze.monday");
    if (monday) expect(monday.until.getDay()).toBe(1);
  }
});
