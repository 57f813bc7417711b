import { describe, expect, test } from "vitest";
import { Cases, isIn, passes } from "../src/cases.ts";
import { needsUs, onceEach, sorted } from "../src/lists.ts";
import { linesOf, pick, picked, pickNone, settled } from "../src/list/shown.ts";
import { inSight, tops } from "../src/list/window.ts";
import { rowOf } from "../src/lists.ts";
import { answered, at, caseRow } from "./case-samples.ts";

const ids = (rows: { id: string }[]): string => rows.map(({ id }) => id).join(" ");

describe("the order of a list", () => {
  const rows = [
    answered("told-early", at(-50)),
    caseRow("waits-short", { waiting_since: at(-2), priority: 1 }),
    answered("told-late", at(-5)),
    caseRow("waits-long", { waiting_since: at(-30), opened_at: at(-90) }),
  ];

  test("who waits longest is on top, and who waits for nobody comes after", () => {
    expect(ids(sorted(rows, "waiting"))).toBe("waits-long waits-short told-late told-early");
  });

  test("it can be by priority, by activity and by age instead", () => {
    expect(ids(sorted(rows, "priority"))).toMatch(/^waits-short waits-long/);
    expect(ids(sorted([answered("a", at(-9)), answered("b", at(-1))], "activity"))).toBe("b a");
    expect(ids(sorted(rows, "created")).split(" ").at(-1)).toBe("waits-long");
  });

  test("an answered case that the visitor has written in needs us again", () => {
    const visitor = { id: "v", kind: "visitor", name: "Maya", avatar: null } as const;
    const last = { kind: "text", text: "And now?", sender: visitor, created_at: at(-1), note: false };
    expect(needsUs(answered("a", at(-5)))).toBe(false);
    expect(needsUs(answered("a", at(-5), { last }))).toBe(true);
    expect(needsUs(answered("a", at(-5), { last, status: "snoozed" }))).toBe(false);
  });
});

describe("what is in a list", () => {
  test("a conversation stands there once, as its newest case", () => {
    const [first, again] = [caseRow("first", { opened_at: at(-90) }), caseRow("again", { opened_at: at(-9) })];
    const other = caseRow("other", { room: "elsewhere" });
    expect(ids(onceEach([{ ...first, room: "r" }, other, { ...again, room: "r" }]))).toBe("again other");
    expect(ids(onceEach([{ ...again, room: "r" }, { ...first, room: "r" }]))).toBe("again");
  });

  test("mine is what is assigned to me, the queue what waits for my teams", () => {
    const teams = new Set(["support", "*"]);
    expect(isIn(answered("a", at(0)), "mine", "me", teams)).toBe(true);
    expect(isIn(answered("a", at(0)), "mine", "other", teams)).toBe(false);
    expect(isIn(caseRow("a"), "queue", "me", teams)).toBe(true);
    expect(isIn(caseRow("a", { team: "billing" }), "queue", "me", teams)).toBe(false);
    expect(isIn(caseRow("a", { team: "billing" }), "queue", "me", undefined)).toBe(true);
    expect(isIn(caseRow("a", { status: "resolved" }), "all", "me", teams)).toBe(false);
  });

  test("a filter asks for a label, a team and at least a priority", () => {
    const row = caseRow("a", { labels: ["l"], priority: 1 });
    expect(passes(row, { label: "l", team: "support", priority: 1 })).toBe(true);
    expect(passes(row, { priority: 2 })).toBe(false);
    expect(passes(row, { label: "other" })).toBe(false);
  });
});

describe("what is known of a case", () => {
  const store = (): Cases => new Cases(() => Promise.reject(new Error("nobody is asked here")));

  test("the later state counts, whichever came first", () => {
    const cases = store();
    cases.put(caseRow("a", { version: 3, status: "assigned", agent: "tom" }));
    cases.put(caseRow("a", { version: 2 }));
    cases.flush();
    expect(cases.rows.value.get("a")?.agent).toBe("tom");
  });

  test("the answer to an act does not forget who the visitor is", () => {
    const cases = store();
    cases.put(caseRow("a", { visitor: { id: "v", kind: "visitor", name: "Maya", avatar: null } }));
    cases.put(caseRow("a", { version: 2 }));
    cases.flush();
    expect(cases.rows.value.get("a")?.visitor?.name).toBe("Maya");
  });

  test("of two cases of one room the newer one is meant", () => {
    const cases = store();
    cases.put(caseRow("new", { room: "r", opened_at: at(-1) }));
    cases.put(caseRow("old", { room: "r", opened_at: at(-9) }));
    cases.flush();
    expect(cases.ofRoom("r")?.id).toBe("new");
  });
});

describe("rows under the pointer", () => {
  const lines = (...names: string[]) => linesOf("queue", names.map((name) => rowOf(caseRow(name))), "waiting", "me");

  test("none moves while it is there; what is new is counted", () => {
    const before = lines("b", "c");
    const held = settled(before, lines("a", "b", "c"), true);
    expect(held.lines).toBe(before);
    expect(held.waiting).toBe(1);
    expect(settled(before, lines("a", "b", "c"), false).lines).toHaveLength(3);
  });

  test("mine is told apart by who has the next word", () => {
    const rows = [rowOf(caseRow("a")), rowOf(answered("b", at(0)))];
    expect(linesOf("mine", rows, "waiting", "me")).toEqual([{ group: "needs", count: 1 }, { room: "r-a" }, { group: "theirs", count: 1 }, { room: "r-b" }]);
    expect(linesOf("mine", rows, "created", "me")).toHaveLength(2);
  });

  test("among all, what a colleague answers does not need me", () => {
    const wrote = { kind: "text", text: "And now?", sender: { id: "v", kind: "visitor", name: "Maya", avatar: null }, created_at: at(-1), note: false } as const;
    const rows = [rowOf(caseRow("waits")), rowOf(answered("toms", at(-2), { agent: "tom", last: wrote })), rowOf(answered("mine", at(-2), { last: wrote })), rowOf(answered("told", at(0)))];
    const said = linesOf("all", rows, "waiting", "me").map((line) => ("group" in line ? `${line.group} ${line.count}` : line.room));
    expect(said).toEqual(["needs 2", "r-waits", "r-mine", "colleagues 1", "r-toms", "theirs 1", "r-told"]);
  });

  test("a range is picked from the last pick on", () => {
    pickNone();
    const order = ["a", "b", "c", "d"];
    pick("b", order);
    pick("d", order, true);
    expect([...picked.value].sort()).toEqual(["b", "c", "d"]);
    pick("c", order);
    expect(picked.value.has("c")).toBe(false);
    pickNone();
  });

  test("of thousands only those in sight are drawn", () => {
    const starts = tops(Array.from({ length: 5000 }, () => 74));
    const { first, end } = inSight(starts, 74 * 1000, 740, 148);
    expect([first, end]).toEqual([998, 1013]);
    expect(inSight(tops([]), 0, 700, 100)).toEqual({ first: 0, end: 0 });
  });
});
