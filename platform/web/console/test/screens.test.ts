import { describe, expect, test } from "vitest";
import { bars, line, roundUp } from "../src/screens/board/shape.ts";
import { waitBar } from "../src/screens/board/wait.ts";
import { elapsed, moment } from "../src/screens/parts/moments.ts";
import { fitting } from "../src/screens/parts/picker.tsx";
import { slugOf } from "../src/screens/people/teams.tsx";
import { contrast, legibleOn } from "../src/screens/sites/contrast.ts";
import { draftOf, embedCode, inOrder, originOf, settingsOf, type Site } from "../src/screens/sites/draft.ts";
import { unknownPlaceholder } from "../src/screens/settings/dialogs.tsx";
import { pieces } from "../src/screens/snippet.ts";

describe("a piece of a message that was found", () => {
  const drawn = (text: string, marks: [number, number][]): string => pieces(text, marks).map((piece) => (piece.marked ? `[${piece.text}]` : piece.text)).join("");

  test("is marked by code points, so that an emoji before a word moves nothing", () => {
    expect(drawn("🪑🪑 the lamp", [[7, 4]])).toBe("🪑🪑 the [lamp]");
    expect(drawn("a 👩‍🚒 b", [[6, 1]])).toBe("a 👩‍🚒 [b]");
  });

  test("is complete, whatever the marks are", () => {
    for (const marks of [[], [[0, 3]], [[8, 100]], [[2, 4], [3, 2]], [[5, 2], [0, 2]], [[50, 2]], [[3, 0]]] as [number, number][][]) {
      expect(pieces("a lamp 🪑 x", marks).map((piece) => piece.text).join("")).toBe("a lamp 🪑 x");
    }
  });

  test("keeps what looks like markup as text", () => {
    expect(pieces("<b>lamp</b>", [[3, 4]])).toEqual([{ text: "<b>", marked: false }, { text: "lamp", marked: true }, { text: "</b>", marked: false }]);
  });
});

describe("a wait bar", () => {
  test("has the target at two thirds, and is half and late from there on", () => {
    expect(waitBar(0, 480_000)).toEqual({ filled: 0, state: "ok", lateMs: 0 });
    expect(waitBar(239_000, 480_000).state).toBe("ok");
    expect(waitBar(240_000, 480_000)).toEqual({ filled: 33.3, state: "half", lateMs: 0 });
    expect(waitBar(480_000, 480_000)).toEqual({ filled: 66.6, state: "late", lateMs: 0 });
    expect(waitBar(600_000, 480_000)).toEqual({ filled: 83.3, state: "late", lateMs: 120_000 });
  });

  test("never runs over its end, and knows no lateness without a target", () => {
    expect(waitBar(9e9, 480_000).filled).toBe(100);
    expect(waitBar(9e9, 0)).toEqual({ filled: 0, state: "ok", lateMs: 0 });
    expect(waitBar(-5, 1000).filled).toBe(0);
  });
});

test("times are said as a clock would", () => {
  expect([elapsed(-1), elapsed(65_000), elapsed(365_400), elapsed(3_753_000)]).toEqual(["0:00", "1:05", "6:05", "1:02:33"]);
  expect(moment("2026-11-21T09:05:00", "en", Date.parse("2026-11-21T12:00:00"))).toBe("09:05");
  expect(moment("2026-11-20T09:05:00", "en", Date.parse("2026-11-21T12:00:00"))).toContain("Nov 20");
});

test("charts stay in their frame", () => {
  expect(line([0, 5, 10], 100, 40, 10).points).toEqual([{ x: 0, y: 40 }, { x: 50, y: 20 }, { x: 100, y: 0 }]);
  expect(line([3], 100, 40, 10).path).toBe("M0 28L100 28");
  expect(line([], 100, 40, 10).path).toBe("");
  expect([0, 1, 3, 7, 12, 180].map(roundUp)).toEqual([1, 1, 5, 10, 20, 200]);
  expect(bars(12, 480).every(({ x, width }) => x >= 0 && x + width <= 480)).toBe(true);
});

test("what is typed finds by all its words, and first what begins with it", () => {
  const options = ["Ines Duarte", "Tom Becker", "Dina Ines"].map((name) => ({ id: name, name }));
  expect(fitting(options, "ines").map((one) => one.id)).toEqual(["Ines Duarte", "Dina Ines"]);
  expect(fitting(options, "in du").map((one) => one.id)).toEqual(["Ines Duarte"]);
  expect(fitting(options, "").length).toBe(3);
});

describe("a site", () => {
  test("is embedded by one line that no name breaks out of", () => {
    expect(embedCode("https://desk.example", "k-1")).toBe('<script src="https://desk.example/widget.js" data-site="k-1" async></script>');
    expect(embedCode("https://desk.example", '"><script>')).not.toContain('"><script>');
  });

  test("takes origins, and makes them of addresses", () => {
    expect(originOf(" https://Shop.example/cart?x=1 ")).toBe("https://shop.example");
    expect(originOf("http://localhost:8080")).toBe("http://localhost:8080");
    expect(originOf("*")).toBe("*");
    for (const bad of ["shop.example", "https://*.shop.example", "https://", "javascript:alert(1)", "https://a..b", "https://shop example"]) expect(originOf(bad)).toBeUndefined();
  });

  test("goes through its form unchanged, with what the form does not know", () => {
    const site: Site = { id: "s", name: "Shop", public_key: "k", origins: ["https://shop.example"], bot: "faq", settings: { languages: ["en", "ar"], theme: { color: "#1f6feb", on_color: null, glyph: null }, launcher: { side: "left", label: "Ask" }, greeting: { en: "Hello" }, choice: false, prechat: { fields: [{ name: "topic", label: "Topic", kind: "select", options: ["A", "B"], required: true }], consent: null }, offline_form: false, hours: { timezone: "Europe/Berlin", days: { mon: [["09:00", "17:00"]], tue: [], wed: [], thu: [], fri: [], sat: [], sun: [] } } } };
    const later = { ...site.settings, later: 1 } as Site["settings"];
    expect(settingsOf(draftOf({ ...site, settings: later }, "UTC"), later)).toEqual(later);
  });

  test("keeps hours in order", () => {
    expect(inOrder([["09:00", "12:00"], ["12:00", "17:00"]])).toBe(true);
    for (const spans of [[["09:00", "09:00"]], [["12:00", "09:00"]], [["09:00", "13:00"], ["12:00", "17:00"]], [["", ""]]] as [string, string][][]) expect(inOrder(spans)).toBe(false);
  });

  test("has colours on which words can be read", () => {
    expect(contrast("#000000", "#ffffff")).toBe(21);
    expect(contrast("#767676", "#ffffff")).toBe(4.54);
    expect(legibleOn("#e4ad3f")).toBe("#000000");
    expect(legibleOn("#1f3a6e")).toBe("#ffffff");
  });
});

test("a team's short name is made of its name, as far as its letters are Latin", () => {
  expect([slugOf("Über Returns!"), slugOf("مرحبا"), slugOf("  A -- b ")]).toEqual(["uber-returns", "", "a-b"]);
});

test("a snippet says what cannot be filled in", () => {
  expect(unknownPlaceholder("Hello {{visitor.name}}, {{agent.name}}")).toBeUndefined();
  expect(unknownPlaceholder("Hello {{visitor.mail}}")).toBe("{{visitor.mail}}");
});
