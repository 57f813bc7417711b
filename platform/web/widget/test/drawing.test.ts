/** What the widget draws with its own drawing is what Preact would draw, whatever comes, goes and moves. */

import * as preact from "preact";
import * as preactHooks from "preact/hooks";
import { jsx as preactJsx } from "preact/jsx-runtime";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import * as drawing from "../src/drawing.ts";
import * as hooks from "../src/hooks.ts";
import { signal } from "../src/signals.ts";
import { page, PageNode } from "./page.ts";

type Make = (type: unknown, props: Record<string, unknown>, key?: unknown) => unknown;

/** One of the two that are compared, with a log of what its components and references were told. */
interface Drawer {
  place: PageNode;
  log: string[];
  draw: (what: unknown) => void;
  h: Make;
  Lasting: (props: { name: string; children: unknown }) => unknown;
}

function drawer(make: unknown, render: unknown, layoutEffect: (work: () => () => void, needs: unknown[]) => void): Drawer {
  const place = page.createElement("main");
  const log: string[] = [];
  const h = make as Make;
  return {
    place,
    log,
    h,
    draw: (what) => { (render as (what: unknown, place: unknown) => void)(what, place); },
    Lasting({ name, children }) {
      layoutEffect(() => {
        log.push(`${name} stands`);
        return () => void log.push(`${name} goes`);
      }, [name]);
      return h("section", { class: name, children });
    },
  };
}

const both = (): [ours: Drawer, theirs: Drawer] => [
  drawer(drawing.jsx, drawing.render, hooks.useLayoutEffect),
  drawer(preactJsx, preact.render, preactHooks.useLayoutEffect),
];

beforeEach(() => {
  vi.stubGlobal("document", page);
  vi.stubGlobal("reportError", (thrown: unknown) => { throw thrown; });
});
afterEach(() => {
  vi.unstubAllGlobals();
});

/** What was asked for is drawn by now. */
const drawn = (): Promise<void> => new Promise((go) => setTimeout(go));

// -- random trees

/** The same numbers for the same seed. */
function dice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * sides);
  };
}

/** A tree, told so that each of the two can make it. */
type Tree = null | boolean | string | number | Tree[] | { tag: string; key?: string; props: Record<string, unknown>; kids: Tree[] };

function shuffled<T>(all: T[], roll: (sides: number) => number): T[] {
  return all.map((one) => [roll(1000), one] as const).sort(([one], [other]) => one - other).map(([, one]) => one);
}

function propsBy(roll: (sides: number) => number): Record<string, unknown> {
  const props: Record<string, unknown> = {};
  if (roll(2)) props["class"] = ["a", "b c", ""][roll(3)];
  if (roll(3) === 0) props["dir"] = ["auto", "rtl", undefined][roll(3)];
  if (roll(4) === 0) props["aria-busy"] = [true, false, undefined][roll(3)];
  if (roll(4) === 0) props["style"] = [{ height: "1px" }, { height: "2px", width: "3px" }, { width: "4px" }][roll(3)];
  if (roll(6) === 0) props["tabIndex"] = roll(2);
  return props;
}

function treeBy(roll: (sides: number) => number, depth: number): Tree {
  const kids = (): Tree[] => Array.from({ length: roll(4) }, () => treeBy(roll, depth - 1));
  const kind = roll(depth > 0 ? 9 : 3);
  if (kind === 0) return [null, false, true][roll(3)] ?? null;
  if (kind <= 2) return roll(2) ? `word ${roll(5)}` : roll(5);
  if (kind === 3) return kids();
  if (kind === 4) return { tag: "svg", props: propsBy(roll), kids: [{ tag: "path", props: { d: `m${roll(3)}` }, kids: [] }] };
  if (kind === 5) return { tag: "Lasting", key: `c${roll(9)}`, props: { name: `n${roll(3)}` }, kids: kids() };
  if (kind === 6) return { tag: "input", props: { value: `v${roll(3)}` }, kids: [] };
  if (kind === 7) {
    // A list of rows, of which some come, go and move; some are components, some a few nodes at once.
    const names = shuffled(["k1", "k2", "k3", "k4", "k5", "k6"], roll).slice(0, roll(7));
    return names.map((key) => ({ tag: ["li", "Lasting", "Many"][Number(key[1]) % 3] ?? "li", key, props: { name: key, ...propsBy(roll) }, kids: kids() }));
  }
  return { tag: ["p", "div", "b"][roll(3)] ?? "p", props: propsBy(roll), kids: kids() };
}

/** Keys that are there twice among siblings are nobody's promise. */
function unique(tree: Tree[]): Tree[] {
  const seen = new Set<unknown>();
  return tree.filter((one) => {
    const key = one && typeof one === "object" && !Array.isArray(one) ? one.key : undefined;
    if (key === undefined) return true;
    return !seen.has(key) && seen.add(key);
  });
}

function made(tree: Tree, by: Drawer): unknown {
  if (Array.isArray(tree)) return unique(tree).map((one) => made(one, by));
  if (tree === null || typeof tree !== "object") return tree;
  const { tag, key, props, kids } = tree;
  const children = unique(kids).map((one) => made(one, by));
  if (tag === "Lasting") return by.h(by.Lasting, { name: props["name"], children }, key);
  if (tag === "Many") return by.h(many, { children }, key);
  return by.h(tag, { ...props, ...(children.length > 0 && { children }) }, key);
}

function many({ children }: { children: unknown }): unknown {
  return ["<", children, ">"];
}

test("random trees, each drawn over the one before, are those of Preact, and their components live as long", () => {
  for (let seed = 1; seed <= 150; seed++) {
    const roll = dice(seed);
    const [ours, theirs] = both();
    for (let version = 0; version < 8; version++) {
      const tree = treeBy(roll, 4);
      for (const one of [ours, theirs]) one.draw(made({ tag: "div", props: {}, kids: [tree, treeBy(dice(seed + version), 3)] }, one));
      expect(ours.place.inner, `seed ${seed}, version ${version}`).toBe(theirs.place.inner);
    }
    for (const one of [ours, theirs]) one.draw(null);
    expect(ours.place.inner).toBe("");
    for (const name of new Set(ours.log.map((line) => line.split(" ")[0]))) {
      const count = (what: string): number => ours.log.filter((line) => line === `${name ?? ""} ${what}`).length;
      expect(count("stands"), `seed ${seed}, ${name ?? ""}`).toBe(count("goes"));
    }
  }
});

test("components in lists with keys, of which some come, go and move, live as long as those of Preact", () => {
  for (let seed = 1; seed <= 100; seed++) {
    const roll = dice(seed);
    const [ours, theirs] = both();
    for (let version = 0; version < 8; version++) {
      const rows = (depth: number): Tree[] =>
        shuffled(["a", "b", "c", "d", "e", "f"], roll)
          .slice(0, roll(7))
          .map((key) => ({ tag: "Lasting", key, props: { name: `${key}${roll(2)}` }, kids: depth > 0 ? [rows(depth - 1)] : [key] }));
      const tree = rows(1);
      for (const one of [ours, theirs]) one.draw(made(tree, one));
      expect(ours.place.inner, `seed ${seed}, version ${version}`).toBe(theirs.place.inner);
      expect(ours.log.splice(0).toSorted(), `seed ${seed}, version ${version}`).toEqual(theirs.log.splice(0).toSorted());
    }
  }
});

test("a row that keeps its key keeps its element, wherever it goes, and what only stands by is not moved", () => {
  const [ours] = both();
  const list = (keys: string): unknown => ours.h("ul", { children: Array.from(keys).map((key) => ours.h("li", { children: key }, key)) });
  ours.draw(list("abcdef"));
  const before = new Map(ours.place.firstChild?.childNodes.map((node) => [node.inner, node]));
  PageNode.moves = 0;
  ours.draw(list("abXcdefY"));
  expect(PageNode.moves).toBe(0);
  ours.draw(list("fabcd"));
  expect(ours.place.inner).toBe("<ul><li>f</li><li>a</li><li>b</li><li>c</li><li>d</li></ul>");
  for (const node of ours.place.firstChild?.childNodes ?? []) expect(node).toBe(before.get(node.inner));
});

// -- elements

test("what came as data is never an element, whatever it looks like", () => {
  const place = page.createElement("main");
  const hostile: unknown = JSON.parse('{"type":"script","props":{"src":"x"},"key":null,"__k":null,"constructor":null}');
  drawing.render(drawing.jsx("p", { children: [hostile, "<b>text</b>", () => 1] }), place as never);
  expect(place.firstChild?.childNodes.map(({ nodeType, data }) => [nodeType, data])).toEqual([[3, "<b>text</b>"]]);
});

test("a listener is exchanged without losing one, and who is drawn while an event goes up does not hear it", async () => {
  const place = page.createElement("main");
  const log: string[] = [];
  const open = signal(false);
  const Panel = (): unknown =>
    drawing.jsx("div", {
      onClick: open.value ? () => void log.push("outside") : undefined,
      children: drawing.jsx("button", { onClick: () => { open.value = !open.peek(); } }),
    });
  drawing.render(drawing.jsx(Panel, {}), place as never);
  const button = place.firstChild?.firstChild;
  // A browser draws what was asked for between two listeners.
  const click = async (): Promise<void> => {
    const steps: (() => void)[] = [];
    vi.stubGlobal("queueMicrotask", (work: () => void) => steps.push(work));
    button?.happens("click", () => { for (const step of steps.splice(0)) step(); });
    vi.unstubAllGlobals();
    vi.stubGlobal("document", page);
    await drawn();
  };
  await click();
  expect([open.value, log]).toEqual([true, []]);
  await click();
  expect([open.value, log]).toEqual([false, []]); // it is drawn without the listener by then
  await click();
  button?.parentNode?.happens("click");
  expect(log).toEqual(["outside"]);
});

test("a listener that is exchanged while an event goes up hears it in the place of the one before", () => {
  const place = page.createElement("main");
  const log: number[] = [];
  const draw = (turn: number): void => {
    const button = drawing.jsx("button", { onClick: () => undefined });
    drawing.render(drawing.jsx("div", { onClick: () => void log.push(turn), children: button }), place as never);
  };
  draw(1);
  place.firstChild?.firstChild?.happens("click", () => { draw(2); });
  expect(log).toEqual([2]);
});

test("a field shows what was drawn, though something else was typed meanwhile", () => {
  const place = page.createElement("main");
  const draw = (value: string, checked: boolean): void => {
    drawing.render(drawing.jsx("input", { value, checked, disabled: checked, "aria-busy": false, title: undefined }), place as never);
  };
  draw("", true);
  const field = place.firstChild as PageNode & { value: string; checked: boolean };
  expect([...field.attributes]).toEqual([["disabled", ""], ["aria-busy", "false"]]);
  field.value = "typed";
  field.checked = false;
  draw("", true);
  expect([field.value, field.checked]).toEqual(["", true]);
  draw("", false);
  expect([...field.attributes]).toEqual([["aria-busy", "false"]]);
});
