import { expect, test } from "vitest";

import { MemoryShelf } from "../src/index.ts";
import { type Letter, Outbox } from "../src/outbox.ts";
import { ROOM } from "./samples.ts";

function letter(clientId: string, room = ROOM): Letter {
  return { type: "send", room, client_id: clientId, content: `text of ${clientId}` };
}

function ids(outbox: Outbox): string[] {
  return outbox.all().map(({ client_id }) => client_id);
}

test("it survives the page, in its order, though the clock was set back", () => {
  const shelf = new MemoryShelf();
  const times = [5000, 4000, 3000];
  const outbox = new Outbox(shelf, () => times.shift() ?? 0);
  for (const id of ["c", "a", "b"]) outbox.put(letter(id));
  expect(ids(new Outbox(shelf))).toEqual(["c", "a", "b"]);
});

test("what was taken is gone for the next page, too", () => {
  const shelf = new MemoryShelf();
  const outbox = new Outbox(shelf);
  outbox.put(letter("a"));
  outbox.put(letter("b"));
  expect(outbox.take(ROOM, "a")).toBe(true);
  expect(outbox.take(ROOM, "a")).toBe(false);
  expect(ids(new Outbox(shelf))).toEqual(["b"]);
});

test("tabs see what others put out and took away", () => {
  const shelf = new MemoryShelf();
  const [one, other] = [new Outbox(shelf), new Outbox(shelf)];
  one.put(letter("a"));
  other.put(letter("b"));
  one.reload();
  expect(ids(one)).toHaveLength(2);
  other.reload();
  other.take(ROOM, "a");
  one.reload();
  expect(ids(one)).toEqual(["b"]);
});

test("a shelf that is full does not keep a message from being sent", () => {
  const shelf = new MemoryShelf();
  shelf.set = () => {
    throw new DOMException("full", "QuotaExceededError");
  };
  const outbox = new Outbox(shelf);
  outbox.put(letter("a"));
  outbox.reload();
  expect(ids(outbox)).toEqual(["a"]);
});

test("what another version has left unreadable is passed over, not thrown away", () => {
  const shelf = new MemoryShelf();
  shelf.set("out/0000000000000001/x", "{");
  shelf.set("out/0000000000000002/y", "null");
  expect(ids(new Outbox(shelf))).toEqual([]);
  expect(shelf.keys("out/")).toHaveLength(2);
});
