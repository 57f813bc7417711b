import { expect, test } from "vitest";
import { Texts } from "../src/texts.ts";

const english = { greeting: "Hello {name}", waiting: { one: "{n} is waiting", other: "{n} are waiting" } };

test("values are put in, and plural forms follow the number", () => {
  const texts = new Texts(english);
  expect(texts.t("greeting", { name: "{n}<b>" })).toBe("Hello {n}<b>");
  expect(texts.t("waiting", { n: 1 })).toBe("1 is waiting");
  expect(texts.t("waiting", { n: 1200 })).toBe("1,200 are waiting");
});

test("another language is spoken at once, with its direction; what it lacks is said in English", () => {
  const texts = new Texts(english);
  expect(texts.direction.value).toBe("ltr");
  texts.speak("ar", { waiting: { one: "ينتظر شخص واحد", few: "ينتظر {n} أشخاص", other: "ينتظر {n} شخصًا" } });
  expect(texts.direction.value).toBe("rtl");
  expect(texts.t("waiting", { n: 3 })).toContain("أشخاص");
  expect(texts.t("greeting", { name: "Ana" })).toBe("Hello \u2068Ana\u2069");
});

test("what is put in turns nothing around it, whatever it is written in", () => {
  const texts = new Texts({ banner: "{name} can't see you" });
  const said = (name: string): string => texts.t("banner", { name });
  expect(said("Ana 2")).toBe("Ana 2 can't see you");
  for (const name of ["\u05DE\u05D0\u05D9\u05D4", "\u0645\u0627\u064A\u0627", "\u{1E900}"]) expect(said(name)).toBe(`\u2068${name}\u2069 can't see you`);
  // Neither an override nor an end of the isolation gets out of it.
  expect(said("\u202EEvil\u2069\u202D")).toBe("\u2068Evil\u2069 can't see you");
  texts.speak("ar", { banner: "\u0644\u0627 \u064A\u0631\u0627\u0643 {name}" });
  expect(said("Ana 2")).toContain("\u2068Ana 2\u2069");
});
