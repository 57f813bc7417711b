/** The list of what the assistant answers: read when it is old and somebody looks, seldom otherwise, else never. */

import { signal } from "@preact/signals";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Conversations } from "../src/conversations.ts";

let asked: string[];
let answer: () => Promise<unknown>;
const lookedAt = signal(false);
let end: () => void;
let list: Conversations;

beforeEach(() => {
  vi.useFakeTimers();
  asked = [];
  answer = () => Promise.resolve({ items: [{ room: "r1" }], next_cursor: null });
  lookedAt.value = false;
  list = new Conversations((_, path) => {
    asked.push(path);
    return answer();
  });
  end = list.follow(lookedAt);
});

afterEach(() => {
  end();
  vi.useRealTimers();
});

test("is read within a second of each word that something moved, while somebody looks", async () => {
  lookedAt.value = true;
  for (let n = 0; n < 50; n++) {
    list.moved({ type: "conversations", bot: 1 });
    await vi.advanceTimersByTimeAsync(100);
  }
  expect(list.byRoom.value.has("r1")).toBe(true);
  expect(asked.length).toBeGreaterThanOrEqual(4);
  expect(asked.length).toBeLessThanOrEqual(6);
});

test("is not read while nothing moves", async () => {
  lookedAt.value = true;
  await vi.advanceTimersByTimeAsync(600_000);
  expect(asked).toEqual([]);
});

test("waits while nobody looks, and is read in the moment somebody does", async () => {
  list.moved({ type: "conversations", bot: 1 });
  await vi.advanceTimersByTimeAsync(0);
  expect(asked).toHaveLength(1);
  list.moved({ type: "conversations", bot: 1 });
  await vi.advanceTimersByTimeAsync(20_000);
  expect(asked).toHaveLength(1);
  lookedAt.value = true;
  await vi.advanceTimersByTimeAsync(1_000);
  expect(asked).toHaveLength(2);
  // It was read meanwhile: the later look has nothing left to do.
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked).toHaveLength(2);
});

test("what could not be read is read when somebody looks again", async () => {
  lookedAt.value = true;
  answer = () => Promise.reject(new Error("away"));
  list.moved({ type: "conversations", bot: 1 });
  await vi.advanceTimersByTimeAsync(1_000);
  lookedAt.value = false;
  answer = () => Promise.resolve({ items: [{ room: "r2" }], next_cursor: null });
  lookedAt.value = true;
  await vi.advanceTimersByTimeAsync(1_000);
  expect(list.byRoom.value.has("r2")).toBe(true);
});

test("says how many there are, also of more than are read", async () => {
  answer = () => Promise.resolve({ items: [{ room: "r1" }, { room: "r2" }], next_cursor: "on" });
  list.moved({ type: "conversations", bot: 340 });
  await vi.advanceTimersByTimeAsync(0);
  expect(list.count.value).toBe(340);
  answer = () => Promise.resolve({ items: [{ room: "r1" }], next_cursor: null });
  list.load();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(list.count.value).toBe(1);
});
