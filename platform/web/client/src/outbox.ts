/**
 * Messages that have not had their terminal reply, oldest first, in memory and on the shelf. Several tabs share one
 * shelf: each entry has a key of its own, and {@link Outbox.reload} finds what others put there and took away.
 */

import type { Send } from "./generated.ts";
import type { Shelf } from "./shelf.ts";

/** A message as it is sent, each time the same. */
export type Letter = Send & { client_id: string };

const PREFIX = "out/";

export class Outbox {
  readonly #shelf: Shelf;
  readonly #wall: () => number;
  readonly #letters = new Map<string, { key: string; letter: Letter; kept: boolean }>();
  #last = 0;

  /** `wall` gives milliseconds; they sort what several tabs have put out. */
  constructor(shelf: Shelf, wall: () => number = Date.now) {
    this.#shelf = shelf;
    this.#wall = wall;
    this.reload();
  }

  /** Keep a message until it is taken. It is on the shelf when this returns, unless the shelf is full. */
  put(letter: Letter): void {
    // A clock that was set back must not bring a later message before an earlier one.
    this.#last = Math.max(this.#last + 1, this.#wall());
    const key = `${PREFIX}${String(this.#last).padStart(16, "0")}/${letter.client_id}`;
    let kept = true;
    try {
      this.#shelf.set(key, JSON.stringify(letter));
    } catch {
      kept = false; // it is sent all the same, as long as this page lives
    }
    this.#letters.set(letterKey(letter.room, letter.client_id), { key, letter, kept });
  }

  /** The message has its reply; whether it was here. */
  take(room: string, clientId: string): boolean {
    const entry = this.#letters.get(letterKey(room, clientId));
    if (!entry) return false;
    this.#shelf.remove(entry.key);
    return this.#letters.delete(letterKey(room, clientId));
  }

  get(room: string, clientId: string): Letter | undefined {
    return this.#letters.get(letterKey(room, clientId))?.letter;
  }

  /** All of them, or those of a room, oldest first. */
  all(room?: string): Letter[] {
    return [...this.#letters.values()]
      .sort((one, other) => (one.key < other.key ? -1 : 1))
      .map(({ letter }) => letter)
      .filter((letter) => room === undefined || letter.room === room);
  }

  /** Look at the shelf again. */
  reload(): void {
    const keys = new Set(this.#shelf.keys(PREFIX));
    for (const [name, entry] of this.#letters) {
      if (entry.kept && !keys.has(entry.key)) this.#letters.delete(name);
    }
    for (const key of keys) {
      const letter = read(this.#shelf.get(key));
      // What cannot be read is of another version, which will read it.
      if (letter) this.#letters.set(letterKey(letter.room, letter.client_id), { key, letter, kept: true });
      this.#last = Math.max(this.#last, Number(key.slice(PREFIX.length).split("/")[0]) || 0);
    }
  }
}

export function letterKey(room: string, clientId: string): string {
  return `${room} ${clientId}`;
}

function read(text: string | undefined): Letter | undefined {
  try {
    const letter = JSON.parse(text ?? "") as Partial<Letter> | null;
    const whole = letter?.type === "send" && typeof letter.room === "string" && typeof letter.client_id === "string";
    return whole ? (letter as Letter) : undefined;
  } catch {
    return undefined;
  }
}
