/** Components that the widget draws: what they hold, when their effects are done, and what draws them again. */

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import * as drawing from "../src/drawing.ts";
import * as hooks from "../src/hooks.ts";
import { signal } from "../src/signals.ts";
import { page, type PageNode } from "./page.ts";

beforeEach(() => {
  vi.stubGlobal("document", page);
  vi.stubGlobal("reportError", (thrown: unknown) => { throw thrown; });
});
afterEach(() => {
  vi.unstubAllGlobals();
});

/** What was asked for is drawn by now. */
const drawn = (): Promise<void> => new Promise((go) => setTimeout(go));

const texted = (text: unknown): unknown => drawing.jsx("p", { children: text} );

test("a component is drawn again for a signal it has read, by itself, once, and where it stood", async () => {
  const [one, other] = [signal<string | undefined>("1"), signal("a")];
  const drawings: string[] = [];
  const Inner = (): unknown => {
    drawings.push("inner");
    // Sometimes nothing, sometimes one, sometimes two nodes.
    return one.value === undefined ? null : one.value.split("").map((text) => texted(text));
  };
  const Outer = (): unknown => {
    drawings.push("outer");
    return ["before", drawing.jsx(Inner, {}), drawing.jsx("i", { children: other.value ?? "" })];
  };
  const place = page.createElement("main");
  drawing.render([drawing.jsx(Outer, {}), "end"], place as never);
  expect(place.inner).toBe("before<p>1</p><i>a</i>end");
  drawings.length = 0;
  one.value = "2";
  one.value = "23";
  await drawn();
  expect([place.inner, drawings]).toEqual(["before<p>2</p><p>3</p><i>a</i>end", ["inner"]]);
  one.value = undefined;
  await drawn();
  expect(place.inner).toBe("before<i>a</i>end");
  one.value = "4";
  other.value = "b";
  await drawn();
  expect(place.inner).toBe("before<p>4</p><i>b</i>end");
  expect(drawings.slice(2)).toEqual(["outer", "inner"]);
  drawing.render("gone", place as never);
  drawings.length = 0;
  one.value = "5";
  await drawn();
  expect(drawings).toEqual([]);
});

test("a component that goes with its parent is not drawn once more, though it was to be", async () => {
  const shown = signal<string | undefined>("a");
  const drawings: unknown[] = [];
  const Inner = (): unknown => {
    drawings.push(shown.value);
    return shown.value;
  };
  const Outer = (): unknown => shown.value !== undefined && drawing.jsx(Inner, {});
  const place = page.createElement("main");
  drawing.render(drawing.jsx(Outer, {}), place as never);
  shown.value = undefined;
  await drawn();
  expect([place.inner, drawings]).toEqual(["", ["a"]]);
});

test("references and effects come when the page stands, children's first, and go while it stands", () => {
  const place = page.createElement("main");
  const log: string[] = [];
  const standing = (): string => (place.inner.includes("in</b>") ? "here" : "away");
  const Child = (): unknown => {
    const box = hooks.useRef<PageNode | null>(null);
    hooks.useLayoutEffect(() => {
      log.push(`child ${box.current?.localName ?? ""} ${standing()}`);
      return () => void log.push(`child ${standing()}`);
    }, []);
    return drawing.jsx("b", { ref: box, children: "in" });
  };
  const Parent = ({ turn }: { turn: number }): unknown => {
    hooks.useLayoutEffect(() => {
      log.push(`parent ${turn}`);
      return () => void log.push(`parent ${turn} ${standing()}`);
    }, [turn]);
    return drawing.jsx("div", { ref: (element: unknown) => void log.push(element ? "set" : "unset"), children: drawing.jsx(Child, {}) });
  };
  const draw = (what: unknown): string[] => {
    drawing.render(what, place as never);
    return log.splice(0);
  };
  expect(draw(drawing.jsx(Parent as never, { turn: 1 }))).toEqual(["set", "child b here", "parent 1"]);
  expect(draw(drawing.jsx(Parent as never, { turn: 1 }))).toEqual([]); // nothing is other than it was
  expect(draw(drawing.jsx(Parent as never, { turn: 2 }))).toEqual(["unset", "set", "parent 1 here", "parent 2"]);
  expect(draw(null)).toEqual(["parent 2 here", "unset", "child here"]);
  expect(place.inner).toBe("");
});

test("hooks keep what they hold, and make it again only for other needs", () => {
  const place = page.createElement("main");
  const seen: unknown[][] = [];
  let stopped = 0;
  const beats = signal(0);
  const Holder = ({ need }: { need: number; other: number }): unknown => {
    const made = hooks.useMemo(() => ({ need }), [need]);
    const work = hooks.useCallback(() => need, [need]);
    const [count, id] = [hooks.useSignal(need), hooks.useId()];
    hooks.useSignalEffect(() => {
      seen.push(["beat", beats.value]);
      return () => { stopped++; };
    });
    seen.push([made, work, count, id]);
    return null;
  };
  for (const [need, other] of [[1, 1], [1, 2], [2, 2]]) drawing.render(drawing.jsx(Holder as never, { need, other }), place as never);
  const [first, , second, third] = seen;
  expect(second?.map((one, at) => one === first?.[at])).toEqual([true, true, true, true]);
  expect(third?.map((one, at) => one === first?.[at])).toEqual([false, false, true, true]);
  seen.length = 0;
  beats.value = 1;
  expect([seen, stopped]).toEqual([[["beat", 1]], 1]);
  drawing.render(null, place as never);
  beats.value = 2;
  expect([seen.length, stopped]).toEqual([1, 2]);
});

test("a component that is a class lives as its methods are told", async () => {
  const log: string[] = [];
  const count = signal(1);
  const all: Listed[] = [];
  class Listed extends drawing.Component {
    constructor(props: Readonly<Record<string, unknown>>) {
      super(props);
      all.push(this);
    }
    override render({ of }: { of?: string }): unknown {
      log.push(`render ${of ?? ""}${String(count.value)}`);
      return texted(of);
    }
    override componentDidMount(): void { log.push(`mount ${place.inner}`); }
    override getSnapshotBeforeUpdate(): void { log.push(`before ${place.inner}`); }
    override componentDidUpdate({ of }: { of?: string }): void { log.push(`update from ${of ?? ""}: ${place.inner}`); }
    override componentWillUnmount(): void { log.push(`unmount ${place.inner}`); }
  }
  const place = page.createElement("main");
  drawing.render(drawing.jsx(Listed, { of: "a" }), place as never);
  drawing.render(drawing.jsx(Listed, { of: "b" }), place as never);
  expect(log.splice(0)).toEqual(["render a1", "mount <p>a</p>", "render b1", "before <p>a</p>", "update from a: <p>b</p>"]);
  all[0]?.forceUpdate();
  all[0]?.forceUpdate();
  count.value = 2;
  await drawn();
  expect(log.splice(0)).toEqual(["render b2", "before <p>b</p>", "update from b: <p>b</p>"]);
  drawing.render(null, place as never);
  all[0]?.forceUpdate();
  await drawn();
  expect(log).toEqual(["unmount <p>b</p>"]);
});

test("one component that fails leaves what it has drawn, and the others alone, and is told", async () => {
  const told = vi.fn();
  vi.stubGlobal("reportError", told);
  const fails = signal(false);
  const Bad = (): unknown => {
    if (fails.value) throw new Error("bad");
    return texted("fine");
  };
  const Good = (): unknown => texted(String(fails.value));
  const place = page.createElement("main");
  drawing.render([drawing.jsx(Bad, {}), drawing.jsx(Good, {})], place as never);
  fails.value = true;
  await drawn();
  expect(place.inner).toBe("<p>fine</p><p>true</p>");
  expect(told).toHaveBeenCalledOnce();
  fails.value = false;
  await drawn();
  expect(place.inner).toBe("<p>fine</p><p>false</p>");
});

test("a component that failed after its hooks has them done when it is drawn again", async () => {
  vi.stubGlobal("reportError", vi.fn());
  const fails = signal(true);
  const log: string[] = [];
  const Late = (): unknown => {
    hooks.useLayoutEffect(() => void log.push("stands"), []);
    const made = hooks.useMemo(() => {
      if (fails.value) throw new Error("not yet");
      return "made";
    }, []);
    return texted(made);
  };
  const place = page.createElement("main");
  drawing.render(drawing.jsx(Late, {}), place as never);
  expect([place.inner, log]).toEqual(["", []]);
  fails.value = false;
  await drawn();
  expect([place.inner, log]).toEqual(["<p>made</p>", ["stands"]]);
});
