/** The widget's own signals keep what those of the library promise. */

import { expect, test } from "vitest";
import { batch, computed, effect, signal, untracked } from "../src/signals.ts";

test("an effect is done at once, and again for each change of what it read last", () => {
  const which = signal(true);
  const [one, other] = [signal(1), signal(10)];
  const seen: unknown[] = [];
  const stop = effect(() => void seen.push(which.value ? one.value : other.value));
  other.value = 11; // not read
  one.value = 2;
  one.value = 2; // the same
  which.value = false;
  one.value = 3; // read no more
  other.value = 12;
  stop();
  other.value = 13;
  expect(seen).toEqual([1, 2, 11, 12]);
});

test("several changes in a batch are told once, after the last", () => {
  const [one, other] = [signal(1), signal(2)];
  const sum = computed(() => (one.value ?? 0) + (other.value ?? 0));
  const seen: number[] = [];
  effect(() => void seen.push(sum.value));
  batch(() => {
    one.value = 2;
    other.value = 3;
    expect(sum.value).toBe(5);
  });
  expect(seen).toEqual([3, 5]);
});

test("a computed value is made when it is read, and once for each change, followed or not", () => {
  const base = signal(1);
  let made = 0;
  const double = computed(() => {
    made++;
    return (base.value ?? 0) * 2;
  });
  expect(made).toBe(0);
  expect([double.value, double.value, made]).toEqual([2, 2, 1]);
  signal(0).value = 1; // something else
  expect([double.value, made]).toEqual([2, 1]);
  base.value = 2;
  expect([double.value, made]).toEqual([4, 2]);
  const stop = effect(() => double.value);
  base.value = 3;
  expect([double.peek(), made]).toEqual([6, 3]);
  stop();
  base.value = 4;
  expect(made).toBe(3);
  expect([double.value, made]).toEqual([8, 4]);
});

test("what comes out the same is told to nobody, and nothing is seen half changed", () => {
  const count = signal(1);
  const odd = computed(() => (count.value ?? 0) % 2 === 1);
  const text = computed(() => `${String(count.value)} ${odd.value ? "odd" : "even"}`);
  const [parity, texts]: [boolean[], string[]] = [[], []];
  effect(() => void parity.push(odd.value));
  effect(() => void texts.push(text.value));
  count.value = 3;
  count.value = 4;
  expect(parity).toEqual([true, false]);
  expect(texts).toEqual(["1 odd", "3 odd", "4 even"]);
});

test("an effect cleans up before it is done again and when it is stopped; what it does not follow does not wake it", () => {
  const [one, quiet] = [signal("a"), signal("x")];
  const told: string[] = [];
  const stop = effect(() => {
    const now = `${one.value ?? ""}${untracked(() => quiet.value ?? "")}${quiet.peek() ?? ""}`;
    told.push(`+${now}`);
    return () => told.push(`-${now}`);
  });
  quiet.value = "y";
  one.value = "b";
  stop();
  stop();
  expect(told).toEqual(["+axx", "-axx", "+byy", "-byy"]);
});

test("an effect that changes what it has read is done again until it rests; one that never rests is stopped", () => {
  const count = signal(0);
  effect(() => {
    if ((count.value ?? 0) < 5) count.value = (count.value ?? 0) + 1;
  });
  expect(count.value).toBe(5);
  const restless = signal(0);
  expect(() => effect(() => { restless.value = (restless.value ?? 0) + 1; })).toThrow("without end");
});

test("one effect that throws keeps no other from being done", () => {
  const one = signal(0);
  let seen: number | undefined;
  effect(() => {
    if (one.value === 1) throw new Error("mine");
  });
  effect(() => {
    seen = one.value;
  });
  expect(() => { one.value = 1; }).toThrow("mine");
  expect(seen).toBe(1);
  one.value = 2;
  expect(seen).toBe(2);
});

test("a signal learns when somebody begins to follow it, also through what is computed of it, and when nobody does", () => {
  const told: string[] = [];
  const ticking = signal(0, { watched: () => void told.push("on"), unwatched: () => void told.push("off") });
  const shown = computed(() => ticking.value);
  expect(shown.value).toBe(0);
  expect(told).toEqual([]);
  const stops = [effect(() => shown.value), effect(() => shown.value)];
  stops[0]?.();
  expect(told).toEqual(["on"]);
  stops[1]?.();
  expect(told).toEqual(["on", "off"]);
  const looks = signal(true);
  effect(() => looks.value && shown.value);
  looks.value = false;
  expect(told).toEqual(["on", "off", "on", "off"]);
});

test("a computed value that fails throws it to whoever reads it, and is told again when it is mended", () => {
  const people = signal(2);
  let made = 0;
  const share = computed(() => {
    made++;
    if (people.value === 0) throw new Error("nobody");
    return 6 / (people.value ?? 1);
  });
  const [seen, bare]: [unknown[], unknown[]] = [[], []];
  effect(() => {
    try {
      seen.push(share.value);
    } catch (thrown) {
      seen.push((thrown as Error).message);
    }
  });
  effect(() => void bare.push(share.value));
  expect(() => { people.value = 0; }).toThrow("nobody");
  expect(() => share.value).toThrow("nobody");
  expect(() => share.peek()).toThrow("nobody");
  expect(made).toBe(2);
  people.value = 2; // as before it failed
  people.value = 3;
  expect([seen, bare]).toEqual([[3, "nobody", 3, 2], [3, 3, 2]]);
});
