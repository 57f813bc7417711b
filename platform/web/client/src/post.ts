/**
 * Sending: a message is in the outbox until it has its one terminal reply, and is sent until then, always under the
 * same `client_id`.
 *
 * Of several tabs the owner of the outbox sends for all, so that messages leave in one order. A tab whose message
 * stays unanswered (the owner may be frozen by its browser) sends it itself: that is safe, and only the order
 * between tabs is lost.
 *
 * Of a room that is followed, a message that was committed counts as unsent until the room has told it: whoever shows
 * what is unsent below what is stored shows it all the time.
 */

import { askedMs, backoffMs } from "./backoff.ts";
import { DeskbellError } from "./errors.ts";
import type { Following, Speaker } from "./following.ts";
import type { Ack } from "./generated.ts";
import { letterKey, type Letter, type Outbox } from "./outbox.ts";
import { promised, type Promised } from "./promised.ts";
import type { Surroundings } from "./surroundings.ts";
import type { Tabs } from "./tabs.ts";

const OWNER_PATIENCE_MS = 5_000;

interface Sending {
  ref: number;
  letter: Letter;
  flying: boolean;
  tries: number;
}

interface Refusal {
  code: string;
  message: string;
  details: Record<string, unknown>;
}

/** What tabs tell one another. */
type Note =
  | { kind: "put" }
  | { kind: "sent"; room: string; clientId: string; ack: Ack }
  | { kind: "refused"; room: string; clientId: string; content: string; error: Refusal };

export class Post {
  readonly #speaker: Speaker;
  readonly #outbox: Outbox;
  readonly #tabs: Tabs;
  readonly #around: Surroundings;
  readonly #following: Following;
  readonly #committed = new Map<string, { letter: Letter; seq: number }>(); // and perhaps not told by their rooms
  readonly #sendings = new Map<string, Sending>(); // what this tab sends, by letter
  readonly #promises = new Map<string, Promised<Ack>>(); // what this page waits for
  readonly #pauses = new Map<string, () => void>(); // rooms to which nothing goes for a while

  constructor(speaker: Speaker, outbox: Outbox, tabs: Tabs, around: Surroundings, following: Following) {
    this.#speaker = speaker;
    this.#outbox = outbox;
    this.#tabs = tabs;
    this.#around = around;
    this.#following = following;
    tabs.onNote((note) => {
      this.#noted(note as Note);
    });
    tabs.onOwner(() => {
      this.#adopt();
    });
  }

  /** Put a message out. It is kept when this returns; the promise is its terminal reply. */
  put(letter: Letter): Promise<Ack> {
    const key = letterKey(letter.room, letter.client_id);
    const known = this.#promises.get(key);
    if (known) return known.promise;
    const done = promised<Ack>();
    this.#promises.set(key, done);
    this.#outbox.put(letter);
    if (this.#tabs.owner) {
      this.#send(letter);
    } else {
      this.#tabs.say({ kind: "put" } satisfies Note);
      this.#around.after(OWNER_PATIENCE_MS, () => {
        if (this.#outbox.get(letter.room, letter.client_id)) this.#send(letter);
      });
    }
    return done.promise;
  }

  /** What has no reply yet, or was not told by its room since, oldest first, whichever tab put it out. */
  unsent(room?: string): Letter[] {
    this.#outbox.reload();
    const committed = this.#untold().filter((letter) => room === undefined || letter.room === room);
    return [...committed, ...this.#outbox.all(room)];
  }

  /** Take a message back that was perhaps not sent yet. */
  withdraw(room: string, clientId: string): void {
    this.#taken(room, clientId)?.reject(new DeskbellError("withdrawn", "The message was taken back."));
  }

  welcomed(): void {
    for (const sending of this.#sendings.values()) this.#say(sending);
  }

  lost(): void {
    for (const sending of this.#sendings.values()) sending.flying = false;
  }

  /** There will be no connection. What is unsent stays on the shelf for the next page. */
  over(error: DeskbellError): void {
    for (const callOff of this.#pauses.values()) callOff();
    for (const done of this.#promises.values()) done.reject(error);
    this.#promises.clear();
    this.#sendings.clear();
    this.#committed.clear();
  }

  /** Take an `ack`; whether it answered a message. */
  settle(ack: Ack): boolean {
    const sending = this.#by(ack.ref);
    if (!sending) return false;
    const { room, client_id: clientId } = sending.letter;
    this.#sent(room, clientId, ack);
    this.#tabs.say({ kind: "sent", room, clientId, ack } satisfies Note);
    return true;
  }

  refused(ref: unknown, error: DeskbellError): boolean {
    const sending = this.#by(ref);
    if (!sending) return false;
    if (error.temporary) {
      this.#pause(sending, error);
      return true;
    }
    const { room, client_id: clientId, content } = sending.letter;
    this.#notSent(room, clientId, content, error);
    const { code, message, details } = error;
    this.#tabs.say({ kind: "refused", room, clientId, content, error: { code, message, details } } satisfies Note);
    return true;
  }

  /** What was committed and its room has not told; the others are forgotten. */
  #untold(): Letter[] {
    for (const [key, { letter, seq }] of this.#committed) {
      if (this.#following.told(letter.room, seq)) this.#committed.delete(key);
    }
    return [...this.#committed.values()].map(({ letter }) => letter);
  }

  #by(ref: unknown): Sending | undefined {
    return [...this.#sendings.values()].find((sending) => sending.ref === ref);
  }

  /** Send what others have put out and what an earlier page has left. */
  #adopt(): void {
    this.#outbox.reload();
    for (const letter of this.#outbox.all()) this.#send(letter);
  }

  #send(letter: Letter): void {
    const key = letterKey(letter.room, letter.client_id);
    if (this.#sendings.has(key)) return;
    const sending = { ref: this.#speaker.nextRef(), letter, flying: false, tries: 0 };
    this.#sendings.set(key, sending);
    this.#say(sending);
  }

  #say(sending: Sending): void {
    if (sending.flying || !this.#speaker.ready() || this.#pauses.has(sending.letter.room)) return;
    sending.flying = true;
    this.#speaker.say({ ...sending.letter, ref: sending.ref });
  }

  /** Hold back what goes to this room for a while: later messages shall not overtake this one. */
  #pause(sending: Sending, error: DeskbellError): void {
    const { room, client_id: clientId } = sending.letter;
    sending.flying = false;
    sending.tries++;
    const random = this.#around.random();
    const inMs = error.retryAfterMs === undefined ? backoffMs(sending.tries, random) : askedMs(error.retryAfterMs, random);
    this.#speaker.tell({ name: "delayed", event: { room, clientId, inMs, error } });
    if (this.#pauses.has(room)) return;
    const resume = (): void => {
      this.#pauses.delete(room);
      for (const other of this.#sendings.values()) if (other.letter.room === room) this.#say(other);
    };
    this.#pauses.set(room, this.#around.after(inMs, resume));
  }

  #sent(room: string, clientId: string, ack: Ack): void {
    const letter = this.#outbox.get(room, clientId);
    if (letter && typeof ack.seq === "number") this.#committed.set(letterKey(room, clientId), { letter, seq: ack.seq });
    this.#untold();
    const done = this.#taken(room, clientId);
    this.#speaker.tell({ name: "sent", event: { room, clientId, ack } });
    done?.resolve(ack);
  }

  #notSent(room: string, clientId: string, content: string, error: DeskbellError): void {
    const done = this.#taken(room, clientId);
    this.#speaker.tell({ name: "notSent", event: { room, clientId, content, error } });
    done?.reject(error);
  }

  #taken(room: string, clientId: string): Promised<Ack> | undefined {
    const key = letterKey(room, clientId);
    this.#outbox.take(room, clientId);
    this.#sendings.delete(key);
    const done = this.#promises.get(key);
    this.#promises.delete(key);
    return done;
  }

  #noted(note: Note): void {
    switch (note.kind) {
      case "put":
        if (this.#tabs.owner) this.#adopt();
        break;
      case "sent":
        this.#sent(note.room, note.clientId, note.ack);
        break;
      case "refused":
        this.#notSent(note.room, note.clientId, note.content, told(note.error));
        break;
    }
  }
}

function told(refusal: Refusal): DeskbellError {
  return new DeskbellError(refusal.code, refusal.message, { details: refusal.details });
}
