import { describe, expect, test } from "vitest";

import { answered, filledIn, matching, mentionedIn, promptAt, type Sign } from "../src/composer/prompts.ts";

const ALL: Sign[] = ["/", "@", ":"];

function asked(text: string, signs = ALL): string | undefined {
  const prompt = promptAt(text, text.length, signs);
  return prompt && prompt.sign + prompt.query;
}

describe("what asks for suggestions", () => {
  test("a sign at the start of a word does, with what follows it", () => {
    expect([asked("/"), asked("Hello /retu"), asked("@To"), asked("(@To"), asked(":smi")]).toEqual(["/", "/retu", "@To", "@To", ":smi"]);
  });

  test("addresses, paths, times and ratios do not", () => {
    expect([asked("tom@shop"), asked("a/b"), asked("at 10:30"), asked("1:2"), asked("Note: ")]).toEqual(Array(5).fill(undefined));
  });

  test("only the signs of the tab count", () => {
    expect(asked("@To", ["/", ":"])).toBeUndefined();
  });

  test("the answer takes the place of the word, and what stood behind it stays", () => {
    const text = "Hi /retu there";
    const prompt = promptAt(text, 8, ALL);
    expect(prompt && answered(text, prompt, "Send it back.")).toEqual({ text: "Hi Send it back. there", caret: 17 });
  });

  test("what begins with the query comes first", () => {
    expect(matching(["unreturned", "returns", "other"], "ret", (one) => [one])).toEqual(["returns", "unreturned"]);
  });
});

describe("snippets and mentions", () => {
  test("placeholders are filled in all at once: a name that looks like one is only a name", () => {
    const names = { visitor: "{{agent.name}}", agent: "Ines" };
    expect(filledIn("Dear {{visitor.name}}, {{agent.name}} here", names)).toBe("Dear {{agent.name}}, Ines here");
  });

  test("a name counts as a whole: @Ana Maria does not call Ana, nor does @Anastasia", () => {
    const people = [{ id: "1", name: "Ana" }, { id: "2", name: "Ana Maria" }, { id: "3", name: "Tom" }];
    expect(mentionedIn("@Ana Maria please, and @Anastasia", people)).toEqual(["2"]);
    expect(mentionedIn("@Ana, @Tom: look", people)).toEqual(["1", "3"]);
  });
});
