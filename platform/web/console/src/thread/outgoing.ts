/**
 * What an agent has said and nobody has stored yet: on its way, with a reviewer, or refused. It is one list for all
 * conversations, so that a refusal is still there when one comes back to the room it belongs to. What is on its way
 * is kept by the client, until the room has told it; the rest lies aside in this browser, over reloads too, until a
 * reviewer or its author decides.
 */

import { signal } from "@preact/signals";
import type { Ack, Client, DeskbellError, HeldFrame, Letter, Message, SendFields } from "@deskbell/client";
import { Aside } from "@deskbell/ui/aside.ts";
import type { Keep } from "@deskbell/ui/keep.ts";
import type { Unsent } from "@deskbell/ui/timeline.ts";
import { keepOf } from "../session.ts";
import type { Waiting } from "./rows.ts";

type Kept = Unsent & Waiting;

export class Outgoing {
  /** Moves whenever a list may be another one. */
  readonly moved = signal(0);
  readonly #client: Client;
  readonly #aside: Aside<Kept>;
  readonly #letters = new Map<string, Letter>(); // with all their fields
  readonly #notes = new Set<string>(); // rooms that are backstage
  readonly #rooms = new Set<string>(); // those that were looked at
  #count = 0;

  constructor(client: Client, keep: Keep) {
    this.#client = client;
    this.#aside = new Aside(keep);
    for (const letter of client.unsent()) this.#letters.set(letter.client_id, letter); // of an earlier page
    client.on("sent", ({ room, clientId, ack }) => {
      const letter = this.#letters.get(clientId);
      if (!ack.held) this.#aside.take(room, clientId);
      else if (letter) this.#put(this.#waiting(letter, "held"));
      this.#move();
    });
    client.on("held", (told) => {
      this.#decided(told);
    });
    client.on("live", () => {
      for (const room of this.#rooms) void this.#ask(room);
    });
    client.on("notSent", ({ room, clientId, content, error }) => {
      const letter = this.#letters.get(clientId);
      // Another tab may have put it aside already, and know more of it.
      const known = letter ?? (this.#find(room, clientId) ? undefined : { type: "send" as const, room, client_id: clientId, content });
      if (known && error.code !== "withdrawn") this.#put(this.#waiting(known, "failed", error));
      this.#move();
    });
  }

  /** What was held may have been decided while nobody was here to be told. */
  async #ask(room: string): Promise<void> {
    if (!this.#aside.of(room).some(({ state }) => state === "held")) return;
    try {
      const { items } = (await this.#client.rest("GET", `/rooms/${room}/held`)) as { items: HeldFrame[] };
      for (const one of items) this.#decided(one);
    } catch {
      // it is asked again with the next connection
    }
  }

  #decided({ room, client_id: clientId, status }: HeldFrame): void {
    const held = this.#find(room, clientId);
    if (held?.state !== "held" || status === "held") return;
    if (status === "rejected") this.#put({ ...held, state: "failed", code: "rejected" });
    else this.#aside.take(room, clientId);
    this.#move();
  }

  /** This room is backstage: what goes there is a note. */
  backstage(room: string): void {
    this.#notes.add(room);
  }

  /** What waits for a room, in the order it was written. */
  of(room: string): Waiting[] {
    if (!this.#rooms.has(room)) {
      this.#rooms.add(room);
      void this.#ask(room);
    }
    const letters = this.#client.unsent(room);
    const sending = new Set(letters.map(({ client_id: id }) => id));
    const kept = this.#aside.of(room).filter(({ clientId }) => !sending.has(clientId));
    for (const letter of letters) this.#letters.set(letter.client_id, letter);
    const all = [...kept, ...letters.map((letter) => this.#waiting(letter, "sending"))];
    return all.sort((one, other) => (one.letter.client_id < other.letter.client_id ? -1 : 1));
  }

  /** For a new letter. Ids sort as they were made: after a reload nothing else tells what was written first. */
  id(): string {
    const [time, number] = [Date.now(), this.#count++].map((value) => value.toString(36).padStart(9, "0"));
    return `c-${String(time)}-${String(number)}-${crypto.randomUUID().slice(0, 8)}`;
  }

  /** Put a message out; it is in {@link of} when this returns. The promise is its terminal reply. */
  send(room: string, content: string, fields: SendFields = {}): Promise<Ack> {
    const { clientId = this.id(), ...rest } = fields;
    const letter: Letter = { type: "send", room, client_id: clientId, content, ...rest };
    this.#letters.set(clientId, letter);
    const reply = this.#client.sendMessage(room, content, { ...rest, clientId });
    this.#aside.take(room, clientId); // it is in the outbox by now
    reply.catch(() => undefined); // told by `notSent`; whoever wants to know listens as well
    this.#move();
    return reply;
  }

  /** Send again what was refused, as it is; what it expected of the room counts no more. */
  again({ room, client_id: clientId }: Letter): Promise<Ack> | undefined {
    const refused = this.#find(room, clientId);
    if (!refused) return undefined; // another tab has decided
    const { content, kind, metadata, reply_to, mentions, draft } = refused.letter;
    const fields = Object.entries({ kind, metadata, reply_to, mentions, draft }).filter(([, value]) => value !== undefined);
    return this.send(room, content, { ...(Object.fromEntries(fields) as SendFields), clientId });
  }

  /** Take back what was refused, to write it anew or to drop it. */
  take({ room, client_id: clientId }: Letter): Waiting | undefined {
    const refused = this.#find(room, clientId);
    this.#aside.take(room, clientId);
    this.#move();
    return refused;
  }

  /** A message is stored and shown: nothing of it waits any more. */
  born(messages: readonly Message[]): void {
    let moved = false;
    for (const { room, client_id: id } of messages) {
      moved ||= this.#find(room, id) !== undefined;
      this.#aside.take(room, id);
      this.#letters.delete(id);
    }
    if (moved) this.#move();
  }

  #find(room: string, clientId: string): Kept | undefined {
    return this.#aside.of(room).find((one) => one.clientId === clientId);
  }

  #put(waiting: Waiting): void {
    const { room, client_id: clientId, content } = waiting.letter;
    this.#aside.put(room, { ...waiting, clientId, content });
  }

  #waiting(letter: Letter, state: Waiting["state"], error?: DeskbellError): Waiting {
    const waiting: Waiting = { letter, note: this.#notes.has(letter.room), state };
    if (error) waiting.code = error.code;
    const rule = error?.details["rule"];
    if (typeof rule === "string") waiting.rule = rule;
    return waiting;
  }

  #move(): void {
    this.moved.value++;
  }
}

const ofClients = new WeakMap<Client, Outgoing>();

/** The list of a login. */
export function outgoingOf(client: Client): Outgoing {
  let found = ofClients.get(client);
  if (!found) ofClients.set(client, (found = new Outgoing(client, keepOf(client))));
  return found;
}
