/** Tells the room that one is typing, seldom, and that one has stopped. */

import type { Client } from "@deskbell/client";

const EVERY_MS = 4_000;
const IDLE_MS = 6_000;

export class TypingSaid {
  readonly #client: Client;
  readonly #room: string;
  #saidAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(client: Client, room: string) {
    this.#client = client;
    this.#room = room;
  }

  typed(something: boolean): void {
    if (!something) {
      this.stop();
      return;
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => { this.stop(); }, IDLE_MS);
    const now = Date.now();
    if (now - this.#saidAt < EVERY_MS) return;
    this.#saidAt = now;
    this.#client.setTyping(this.#room, true);
  }

  stop(): void {
    clearTimeout(this.#timer);
    if (this.#saidAt === 0) return;
    this.#saidAt = 0;
    this.#client.setTyping(this.#room, false);
  }
}
