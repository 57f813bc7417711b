/** What an agent has written and the server has not stored: none of it is lost, over reloads and among tabs. */

import { beforeEach, expect, test } from "vitest";
import type { Client, Letter } from "@deskbell/client";
import type { Keep } from "@deskbell/ui/keep.ts";
import { Outgoing } from "../src/thread/outgoing.ts";
import { AGENT, message } from "./samples.ts";

const ROOM = "r-front";
let kept: Map<string, string>;
let items: unknown[];

/** The browser's storage, which all its pages share. */
const keep: Keep = {
  get: (key) => kept.get(key),
  set: (key, value) => void kept.set(key, value),
  remove: (key) => void kept.delete(key),
};

/** A page with a client that never answers by itself, and what its outbox has from an earlier page. */
function page(unsent: Letter[] = []): { outgoing: Outgoing; tell: (name: string, event: unknown) => void; said: () => string[] } {
  const hears = new Map<string, (event: unknown) => void>();
  const client = {
    on: (name: string, hear: (event: unknown) => void) => hears.set(name, hear),
    unsent: () => unsent,
    sendMessage: (room: string, content: string, { clientId, ...rest }: { clientId: string }) => {
      unsent.push({ type: "send", room, content, client_id: clientId, ...rest });
      return new Promise(() => undefined);
    },
    rest: () => Promise.resolve({ items }),
  } as unknown as Client;
  const outgoing = new Outgoing(client, keep);
  return {
    outgoing,
    tell: (name, event) => {
      const { clientId } = event as { clientId?: string };
      unsent = unsent.filter(({ client_id: id }) => id !== clientId);
      hears.get(name)?.(event);
    },
    said: () => outgoing.of(ROOM).map(({ letter, state, code }) => `${letter.content}: ${code ?? state}`),
  };
}

const refused = (clientId: string, content: string): unknown => ({ room: ROOM, clientId, content, error: { code: "expectation_failed", details: {} } });

beforeEach(() => {
  kept = new Map();
  items = [];
});

test("replies that were held back are still there on the next page, in their order and with what they expected", () => {
  const first = page();
  for (const id of ["a", "b"]) void first.outgoing.send(ROOM, id, { clientId: id, expect: { seq: 4 } });
  for (const id of ["a", "b"]) first.tell("notSent", refused(id, id));
  const next = page();
  expect(next.said()).toEqual(["a: expectation_failed", "b: expectation_failed"]);
  expect(next.outgoing.of(ROOM)[0]?.letter.expect).toEqual({ seq: 4 });
});

test("what is still on its way after a reload stands where it was written, before or after what was refused", () => {
  const first = page();
  for (const content of ["one", "two", "three"]) void first.outgoing.send(ROOM, content);
  const letters = first.outgoing.of(ROOM).map(({ letter }) => letter);
  first.tell("notSent", refused(letters[1]?.client_id ?? "", "two"));
  const next = page(letters.filter(({ content }) => content !== "two"));
  expect(next.said()).toEqual(["one: sending", "two: expectation_failed", "three: sending"]);
});

test("what a reviewer decided while nobody was here is asked when the room is looked at", async () => {
  const first = page();
  for (const [id, content] of [["a", "good"], ["b", "bad"]] as const) {
    void first.outgoing.send(ROOM, content, { clientId: id });
    first.tell("sent", { room: ROOM, clientId: id, ack: { held: true } });
  }
  const next = page();
  items = [{ room: ROOM, client_id: "a", status: "published" }, { room: ROOM, client_id: "b", status: "rejected" }];
  expect(next.said()).toEqual(["good: held", "bad: held"]);
  await expect.poll(next.said).toEqual(["bad: rejected"]);
});

test("what is sent again stands once, and is gone from all pages when it is stored", () => {
  const [one, other] = [page(), page()];
  void one.outgoing.send(ROOM, "Yes.", { clientId: "a" });
  one.tell("notSent", refused("a", "Yes."));
  const [waiting] = one.outgoing.of(ROOM);
  if (waiting) void one.outgoing.again(waiting.letter);
  expect(one.said()).toEqual(["Yes.: sending"]);
  other.tell("notSent", refused("a", "Yes.")); // heard late, from the other tab
  expect(one.said()).toEqual(["Yes.: sending"]);
  one.tell("sent", { room: ROOM, clientId: "a", ack: { held: false } });
  one.outgoing.born([message(5, { client_id: "a", sender: AGENT })]);
  expect([one.said(), other.said(), page().said()]).toEqual([[], [], []]);
});

test("what was dropped in one tab is not sent by another that still shows it", () => {
  const [one, other] = [page(), page()];
  void one.outgoing.send(ROOM, "No.", { clientId: "a" });
  one.tell("notSent", refused("a", "No."));
  const [shown] = other.outgoing.of(ROOM);
  expect(shown && one.outgoing.take(shown.letter)?.letter.content).toBe("No.");
  expect(shown && other.outgoing.again(shown.letter)).toBeUndefined();
  expect([one.said(), other.said()]).toEqual([[], []]);
});
