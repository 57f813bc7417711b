import { describe, expect, it } from "vitest";
import { piecesOf } from "../src/composer/prompts.ts";
import { reasonWord } from "../src/reasons.ts";
import { lateOrLeft } from "../src/timers.ts";
import { nameOfUser } from "../src/visitors.ts";

describe("why the bell rang", () => {
  it("is said in words, however the bot has written it", () => {
    expect(reasonWord("needs_promise")).toBe("Needs a promise");
    expect(reasonWord("needs promise")).toBe("Needs a promise");
    expect(reasonWord("upset")).toBe("Upset");
  });

  it("is shown readably where a bot has made it up", () => {
    expect(reasonWord("wrong_shade_twice")).toBe("Wrong shade twice");
    expect(reasonWord("word:lawyer")).toBe("Said “lawyer”");
  });
});

describe("what a visitor is called", () => {
  it("is their name, else a number that stays and tells two apart", () => {
    const first = nameOfUser({ id: "v-1", name: "Visitor", kind: "visitor" });
    expect(nameOfUser({ id: "v-1", name: "Maya", kind: "visitor" })).toBe("Maya");
    expect(first).toMatch(/^Visitor \d{4}$/);
    expect(nameOfUser({ id: "v-1", name: "", kind: "visitor" })).toBe(first);
    expect(nameOfUser({ id: "v-2", name: "Visitor", kind: "visitor" })).not.toBe(first);
  });

  it("leaves an agent of that name alone", () => {
    expect(nameOfUser({ id: "a-1", name: "Visitor", kind: "agent" })).toBe("Visitor");
  });
});

it("marks the colleagues a note names, the longest name first, and no part of a word", () => {
  expect(piecesOf("@Ana Maria, ask @Anatol or @Ana.", ["Ana", "Ana Maria"])).toEqual(["", "@Ana Maria", ", ask @Anatol or ", "@Ana", "."]);
  expect(piecesOf("@A.B and @AxB", ["A.B"])).toEqual(["", "@A.B", " and @AxB"]);
});

it("says the same of a deadline before and after it", () => {
  expect(lateOrLeft(4 * 60_000)).toBe("4 min left");
  expect(lateOrLeft(-2 * 60_000)).toBe("2 min late");
});
