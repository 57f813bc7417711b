import { afterEach, describe, expect, test } from "vitest";
import type { Command } from "../src/commands.ts";
import { keyName, meaning, type Pressed } from "../src/keys.ts";
import { DEFAULTS, preferences } from "../src/preferences.ts";

const key = (name: string, more: Partial<Pressed> = {}): Pressed => ({
  key: name, code: "", ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...more,
});
const command = (id: string, keys: string[], more: Partial<Command> = {}): Command => ({
  id, title: "command.resolve", group: "case", keys, run: () => undefined, ...more,
});
const known = [command("claim", ["T"]), command("menu", ["Mod+K"]), command("queue", ["G then Q"]), command("leave", ["Escape"], { inFields: true })];

afterEach(() => {
  preferences.value = DEFAULTS;
});

describe("a key", () => {
  test("is named by its sign, and by its place where a modifier changes the sign", () => {
    expect(keyName(key("t"), false)).toBe("T");
    expect(keyName(key("U", { shiftKey: true }), false)).toBe("Shift+U");
    expect(keyName(key("?", { shiftKey: true }), false)).toBe("?");
    expect(keyName(key("k", { ctrlKey: true, code: "KeyK" }), false)).toBe("Mod+K");
    expect(keyName(key("k", { metaKey: true, code: "KeyK" }), true)).toBe("Mod+K");
    expect(keyName(key("˜", { altKey: true, code: "KeyN" }), true)).toBe("Alt+N");
    expect(keyName(key("Shift", { shiftKey: true }), false)).toBe("");
  });

  test("of another script stands for the Latin one in its place", () => {
    expect(keyName(key("ف", { code: "KeyT" }), false)).toBe("T");
  });
});

describe("what a key means", () => {
  const found = (name: string, focus: Parameters<typeof meaning>[2] = "none", singles = true, begun?: string) =>
    meaning(name, begun, focus, known, singles).command?.id;

  test("single keys mean nothing while one writes; keys with Ctrl do, and Esc", () => {
    expect(found("T")).toBe("claim");
    expect(found("T", "field")).toBeUndefined();
    expect(found("T", "layer")).toBeUndefined();
    expect(found("Mod+K", "field")).toBe("menu");
    expect(found("Escape", "field")).toBe("leave");
  });

  test("they can be switched off", () => {
    expect(found("T", "none", false)).toBeUndefined();
    expect(found("Mod+K", "none", false)).toBe("menu");
  });

  test("two keys in a row are one", () => {
    expect(meaning("G", undefined, "none", known, true)).toEqual({ begun: "G" });
    expect(found("Q", "none", true, "G")).toBe("queue");
    expect(found("Q")).toBeUndefined();
  });

  test("an agent's own keys take the place of those it came with", () => {
    preferences.value = { ...DEFAULTS, keys: { claim: ["Y"] } };
    expect(found("Y")).toBe("claim");
    expect(found("T")).toBeUndefined();
  });

  test("what is not possible now leaves its key to the next", () => {
    const two = [command("first", ["E"], { when: () => false }), command("second", ["E"])];
    expect(meaning("E", undefined, "none", two, true).command?.id).toBe("second");
  });
});
