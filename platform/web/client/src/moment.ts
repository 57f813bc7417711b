/** What is of the moment in a room: who is typing, and what the bot has written of an answer so far. */

import type { Told } from "./events.ts";
import type { Delta, Message, TypingFrame } from "./generated.ts";

export const TYPING_MS = 10_000;
const REMEMBERED = 200;

interface Stream {
  ownerVersion: number;
  /** By code points: that is what `offset` counts, where JavaScript counts UTF-16 units. */
  text: string[];
  done: boolean;
}

export class Moment {
  readonly #room: string;
  readonly #now: () => number;
  readonly #streams = new Map<string, Stream>();
  readonly #over = new Set<string>(); // turns whose message is stored; bounded
  readonly #typing = new Map<string, number>();

  constructor(room: string, now: () => number) {
    this.#room = room;
    this.#now = now;
  }

  typing(): string[] {
    const now = this.#now();
    return [...this.#typing].filter(([, until]) => until > now).map(([user]) => user);
  }

  writing(): Map<string, string> {
    return new Map([...this.#streams].map(([turn, stream]) => [turn, stream.text.join("")]));
  }

  /** The connection is gone. */
  forget(): void {
    this.#streams.clear();
    this.#typing.clear();
  }

  typed(frame: TypingFrame): Told[] {
    if (frame.on) this.#typing.set(frame.user, this.#now() + TYPING_MS);
    else this.#typing.delete(frame.user);
    return [{ name: "typing", event: { room: this.#room, user: frame.user, on: frame.on } }];
  }

  /** Take a piece of the bot's answer, if it is of this owner's time and not stored yet. */
  delta(frame: Delta, ownerVersion: number): Told[] {
    if (frame.owner_version < ownerVersion || this.#over.has(frame.turn)) return [];
    let stream = this.#streams.get(frame.turn);
    if (!stream) this.#streams.set(frame.turn, (stream = { ownerVersion: frame.owner_version, text: [], done: false }));
    if (frame.offset > stream.text.length) return []; // a piece is missing; the stored message will have it all
    const piece = Array.from(frame.text);
    const done = frame.done ?? false;
    const known = stream.text.slice(frame.offset, frame.offset + piece.length).join("");
    // Other words are either the next piece, or the turn was begun again.
    if (known !== frame.text) stream.text = [...stream.text.slice(0, frame.offset), ...piece];
    else if (done === stream.done) return [];
    stream.done ||= done;
    const event = { room: this.#room, turn: frame.turn, text: stream.text.join(""), done: stream.done };
    return [{ name: "writing", event }];
  }

  /** A message is stored: its sender has stopped typing, and it replaces what was streamed of it. */
  stored(message: Message): void {
    this.#typing.delete(message.sender.id);
    const turn = message.metadata["turn"];
    if (typeof turn !== "string") return;
    this.#streams.delete(turn);
    this.#over.add(turn);
    for (const oldest of this.#over) {
      if (this.#over.size <= REMEMBERED) break;
      this.#over.delete(oldest);
    }
  }

  /** Drop what was streamed under an owner who is no longer. */
  voided(ownerVersion: number): Told[] {
    const gone = [...this.#streams].filter(([, stream]) => stream.ownerVersion < ownerVersion).map(([turn]) => turn);
    for (const turn of gone) this.#streams.delete(turn);
    return gone.map((turn) => ({ name: "void", event: { room: this.#room, turn } }));
  }
}
