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
  expect(texts.t("greeting", { name: "Ana" })).toBe("Hello Ana");
});
