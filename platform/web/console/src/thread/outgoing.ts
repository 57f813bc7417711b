/**
 * What an agent has said and nobody has stored yet: on its way, with a reviewer, or refused. It is one list for all
 * conversations, so that a refusal is still there when one comes back to the room it belongs to. What is on its way
 * is kept by the client, until the room has told it; what was refused is kept here until its author decides.
 */

import { signal } from "@preact/signals";
import type { Ack, Client, DeskbellError, HeldFrame, Letter, Message, SendFields } from "@deskbell/client";
import type { Waiting } from "./rows.ts";

export class Outgoing {
  /** Moves whenever a list may be another one. */
  readonly moved = signal(0);
  readonly #client: Client;
  readonly #refused = new Map<string, Waiting>();
  readonly #held = new Map<string, Waiting>();
  readonly #letters = new Map<string, Letter>(); // with all their fields, of this page
  readonly #order = new Map<string, number>(); // as they were written, by client id
  readonly #notes = new Set<string>(); // rooms that are backstage
  #last = 0;

  constructor(client: Client) {
    this.#client = client;
    client.on("sent", ({ clientId, ack }) => {
      const letter = this.#letters.get(clientId);
      if (letter && ack.held) this.#held.set(clientId, this.#waiting(letter, "held"));
      this.#move();
    });
    client.on("held", (told) => {
      this.#decided(told);
    });
    client.on("live", () => void this.#ask());
    client.on("notSent", ({ room, clientId, content, error }) => {
      const letter = this.#letters.get(clientId) ?? { type: "send", room, client_id: clientId, content };
      if (error.code !== "withdrawn") this.#refused.set(clientId, this.#waiting(letter, "failed", error));
      this.#move();
    });
  }

  /** What was held may have been decided while nobody was here to be told. */
  async #ask(): Promise<void> {
    for (const room of new Set([...this.#held.values()].map(({ letter }) => letter.room))) {
      try {
        const { items } = (await this.#client.rest("GET", `/rooms/${room}/held`)) as { items: HeldFrame[] };
        for (const one of items) this.#decided(one);
      } catch {
        // it is asked again with the next connection
      }
    }
  }

  #decided({ client_id: clientId, status }: HeldFrame): void {
    const held = this.#held.get(clientId);
    if (!held || status === "held") return;
    this.#held.delete(clientId);
    if (status === "rejected") this.#refused.set(clientId, { ...held, state: "failed", code: "rejected" });
    this.#move();
  }

  /** This room is backstage: what goes there is a note. */
  backstage(room: string): void {
    this.#notes.add(room);
  }

  /** What waits for a room, in the order it was written. */
  of(room: string): Waiting[] {
    const here = (waiting: Waiting): boolean => waiting.letter.room === room;
    const sending = this.#client.unsent(room).map((letter) => this.#waiting(letter, "sending"));
    const all = [...sending, ...this.#held.values(), ...this.#refused.values()].filter(here);
    return all.sort((one, other) => this.#written(one.letter) - this.#written(other.letter));
  }

  /** Put a message out; it is in {@link of} when this returns. The promise is its terminal reply. */
  send(room: string, content: string, fields: SendFields = {}): Promise<Ack> {
    const { clientId = `c-${crypto.randomUUID()}`, ...rest } = fields;
    const letter: Letter = { type: "send", room, client_id: clientId, content, ...rest };
    this.#letters.set(clientId, letter);
    this.#written(letter);
    this.#refused.delete(clientId);
    const reply = this.#client.sendMessage(room, content, { ...rest, clientId });
    reply.catch(() => undefined); // told by `notSent`; whoever wants to know listens as well
    this.#move();
    return reply;
  }

  /** Send again what was refused, as it is; what it expected of the room counts no more. */
  again(clientId: string): Promise<Ack> | undefined {
    const refused = this.take(clientId);
    if (!refused) return undefined;
    const { room, client_id, content, kind, metadata, reply_to, mentions, draft } = refused.letter;
    const fields = Object.entries({ kind, metadata, reply_to, mentions, draft }).filter(([, value]) => value !== undefined);
    return this.send(room, content, { ...(Object.fromEntries(fields) as SendFields), clientId: client_id });
  }

  /** Take back what was refused, to write it anew or to drop it. */
  take(clientId: string): Waiting | undefined {
    const refused = this.#refused.get(clientId);
    this.#refused.delete(clientId);
    this.#move();
    return refused;
  }

  /** A message is stored and shown: nothing of it waits any more. */
  born(messages: readonly Message[]): void {
    let moved = false;
    for (const { client_id: id } of messages) {
      moved = this.#held.delete(id) || moved;
      this.#letters.delete(id);
      this.#order.delete(id);
    }
    if (moved) this.#move();
  }

  #written({ client_id: id }: Letter): number {
    let at = this.#order.get(id);
    if (at === undefined) this.#order.set(id, (at = ++this.#last));
    return at;
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
  if (!found) ofClients.set(client, (found = new Outgoing(client)));
  return found;
}
