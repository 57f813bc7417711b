import { describe, expect, test } from "vitest";

import type { Told } from "../src/events.ts";
import { RoomView } from "../src/room.ts";
import { changes, edited, frame, message, ROOM, subscribed } from "./samples.ts";

/** A room that is live at number 2, with two messages. */
function live(): RoomView {
  const view = new RoomView(ROOM, () => 0);
  view.asking();
  view.page(subscribed(2, [message(1), message(2)]));
  return view;
}

function births(told: Told[]): number[] {
  return told.flatMap((one) => (one.name === "message" ? [one.event.message.seq] : []));
}

function names(told: Told[]): string[] {
  return told.map((one) => one.name);
}

describe("the position", () => {
  test("the next number moves it, and the message is told as new", () => {
    const view = live();
    expect(births(view.durable(frame(message(3))))).toEqual([3]);
    expect([view.position, view.behind]).toEqual([3, false]);
  });

  test("a skip moves it and tells nothing", () => {
    const view = live();
    expect(view.durable({ type: "skip", room: ROOM, seq: 3 })).toEqual([]);
    expect(view.position).toBe(3);
  });

  test("a frame that comes twice is told once", () => {
    const view = live();
    view.durable(frame(message(3)));
    expect(view.durable(frame(message(3)))).toEqual([]);
    expect(view.position).toBe(3);
  });

  test("a frame that was overtaken does not move it back", () => {
    const view = live();
    view.durable(frame(message(3)));
    view.durable(frame(message(1)));
    expect(view.position).toBe(3);
  });

  test("a greater number is a hole: nothing is told, and the room is behind", () => {
    const view = live();
    expect(view.durable(frame(message(4)))).toEqual([]);
    expect([view.position, view.behind, view.messages.size]).toEqual([2, true, 2]);
  });

  test("a page sets it to its own number, whatever lies between", () => {
    const view = live();
    view.asking();
    view.page(subscribed(9, [message(5)], { recovered: true }));
    expect([view.position, view.live]).toEqual([9, true]);
  });

  test("a page that was slower than a live frame does not move it back", () => {
    const view = live();
    view.asking();
    view.durable(frame(message(3)));
    expect(births(view.page(subscribed(2, [], { recovered: true })))).toEqual([3]);
    expect(view.position).toBe(3);
  });
});

describe("the version", () => {
  test("an older copy does not replace a newer one, whichever way it comes", () => {
    const view = live();
    view.durable(frame(edited(1, 3)));
    expect(view.learn(message(1))).toEqual([]);
    expect(view.messages.get("m-1")?.content).toBe("text 1, put better");
  });

  test("a message above the position is left for its own frame", () => {
    const view = live();
    expect(view.learn(message(3))).toEqual([]);
    expect(births(view.durable(frame(message(3))))).toEqual([3]);
  });

  test("a change of what was shown is told as a change, with what was there before", () => {
    const [told] = live().durable(frame(edited(1, 3)));
    expect(told).toMatchObject({ name: "changed", event: { before: { content: "text 1" } } });
  });
});

describe("catching up", () => {
  test("new messages are told by their births, with the last page, though pages are in the order of changes", () => {
    const view = live();
    view.asking();
    const first = subscribed(5, [message(4), message(5)], { recovered: true, more: true });
    expect(view.page(first)).toEqual([]);
    const last = changes(5, 8, [edited(3, 6), edited(4, 8)]);
    const told = view.page(last);
    expect(names(told)).toEqual(["message", "message", "message"]);
    expect(births(told)).toEqual([3, 4, 5]);
    expect(view.messages.get("m-4")?.changed_seq).toBe(8);
  });

  test("a break between two pages loses and repeats nothing", () => {
    const view = live();
    view.asking();
    view.page(subscribed(4, [message(3), message(4)], { recovered: true, more: true }));
    view.lost();
    view.asking();
    expect(view.position).toBe(4);
    expect(births(view.page(subscribed(5, [message(5)], { recovered: true })))).toEqual([3, 4, 5]);
  });

  test("a page of changes that does not follow on what is here is not taken", () => {
    const view = live();
    expect(view.page(changes(4, 6, [message(5)]))).toEqual([]);
    expect([view.position, view.behind]).toEqual([2, true]);
    expect(view.page(changes(0, 2, [message(1)]))).toEqual([]);
  });

  test("what is below the floor is gone", () => {
    const view = live();
    view.asking();
    const told = view.page(subscribed(3, [], { recovered: true, floor: 2 }));
    expect(told).toContainEqual({ name: "purged", event: { room: ROOM, floor: 2 } });
    expect([...view.messages.keys()]).toEqual(["m-2"]);
  });
});

describe("forgetting", () => {
  test("what nobody shows is forgotten, and moves no position; a change of it is told as one, never as new", () => {
    const view = live();
    view.forgetBelow(2);
    expect([[...view.messages.keys()], view.oldest, view.position]).toEqual([["m-2"], 2, 2]);
    expect(names(view.durable(frame(edited(1, 3))))).toEqual(["changed"]);
    expect(births(view.durable(frame(message(4))))).toEqual([4]);
  });
});

describe("a reset", () => {
  test("the room is loaded afresh; only what was not known is told as new, and a gap is owned to", () => {
    const view = live();
    view.reset();
    expect(view.position).toBeUndefined();
    view.asking();
    const told = view.page(subscribed(12, [edited(2, 7), message(10), message(11)], { epoch: "e-2" }));
    expect(told[0]).toEqual({ name: "loaded", event: { room: ROOM, again: true, gap: false } });
    expect(births(told)).toEqual([10, 11]);
    expect([view.epoch, view.position, view.messages.size]).toEqual(["e-2", 12, 3]);
  });

  test("messages between what was known and what was loaded are a gap", () => {
    const view = live();
    view.reset();
    view.asking();
    const [loaded] = view.page(subscribed(99, [message(98)], { epoch: "e-2" }));
    expect(loaded).toMatchObject({ event: { gap: true } });
    expect(view.oldest).toBe(98);
  });

  test("what was found but not yet told before it is told after it", () => {
    const view = live();
    view.asking();
    view.page(subscribed(3, [message(3)], { recovered: true, more: true }));
    view.reset();
    view.asking();
    expect(births(view.page(subscribed(4, [message(2), message(3), message(4)])))).toEqual([3, 4]);
  });
});

describe("of the moment", () => {
  const piece = { type: "delta", room: ROOM, turn: "t-1", owner_version: 0 } as const;

  test("offsets count characters, not UTF-16 units", () => {
    const view = live();
    view.delta({ ...piece, offset: 0, text: "Hi 👋" });
    view.delta({ ...piece, offset: 4, text: " there" });
    expect(view.writing().get("t-1")).toBe("Hi 👋 there");
  });

  test("a piece that is missing is waited for, one that comes twice is taken once", () => {
    const view = live();
    view.delta({ ...piece, offset: 0, text: "One" });
    expect(view.delta({ ...piece, offset: 7, text: "three" })).toEqual([]);
    expect(view.delta({ ...piece, offset: 0, text: "One" })).toEqual([]);
    expect(view.writing().get("t-1")).toBe("One");
  });

  test("the stored message replaces what was streamed, and late pieces are nothing", () => {
    const view = live();
    view.delta({ ...piece, offset: 0, text: "One" });
    view.durable(frame(message(3, { metadata: { turn: "t-1" } })));
    expect(view.delta({ ...piece, offset: 3, text: " two" })).toEqual([]);
    expect(view.writing().size).toBe(0);
  });

  test("read marks never move back", () => {
    const view = live();
    const mark = { type: "receipt", room: ROOM, user: "u-1" } as const;
    view.receipt({ ...mark, read_seq: 2, delivered_seq: 2 });
    expect(view.receipt({ ...mark, read_seq: 1, delivered_seq: 2 })).toEqual([]);
    expect(view.reads.get("u-1")).toEqual([2, 2]);
  });

  test("typing ends by itself", () => {
    let now = 0;
    const view = new RoomView(ROOM, () => now);
    view.typed({ type: "typing", room: ROOM, user: "u-1", on: true });
    expect(view.typing()).toEqual(["u-1"]);
    now = 10_001;
    expect(view.typing()).toEqual([]);
  });
});
