/**
 * Conversations in which the assistant answers: agents may read along and take over. They are many and nobody's work,
 * so the server only says that something moved in them, and how many they are. Then the newest hundred are read again:
 * within a second while somebody looks at the list, now and then otherwise, and not at all while nothing moves.
 */

import { computed, effect, type ReadonlySignal, signal } from "@preact/signals";
import type { ConversationsFrame, RoomState } from "@deskbell/client";
import type { Rest } from "./cases.ts";
import type { Conversation } from "./records.ts";
import { Seldom } from "./seldom.ts";

const LOOKED_AT_MS = 1_000;
const BESIDE_MS = 30_000;

export class Conversations {
  readonly items = signal<readonly Conversation[]>([]);
  readonly byRoom: ReadonlySignal<ReadonlyMap<string, Conversation>>;
  /** How many there are, as far as that is known: what is here may be the newest of them. */
  readonly count: ReadonlySignal<number>;
  readonly #rest: Rest;
  readonly #more = signal(false);
  readonly #told = signal<number | undefined>(undefined);
  readonly #now = new Seldom(LOOKED_AT_MS, () => this.#read());
  readonly #later = new Seldom(BESIDE_MS, () => (this.#old ? this.#read() : undefined));
  #lookedAt: ReadonlySignal<boolean> = signal(false);
  /** Something moved, and the list was not read since. */
  #old = false;

  constructor(rest: Rest) {
    this.#rest = rest;
    this.byRoom = computed(() => new Map(this.items.value.map((item) => [item.room, item])));
    this.count = computed(() => {
      const here = this.items.value.length;
      return this.#more.value ? Math.max(here, this.#told.value ?? 0) : here;
    });
  }

  /** Stay right while somebody looks; what comes back ends it. */
  follow(lookedAt: ReadonlySignal<boolean>): () => void {
    this.#lookedAt = lookedAt;
    const end = effect(() => {
      if (lookedAt.value && this.#old) this.#now.soon();
    });
    return () => {
      end();
      this.#now.stop();
      this.#later.stop();
    };
  }

  /** The server said that something moved. */
  moved({ bot }: ConversationsFrame): void {
    this.#old = true;
    if (bot !== undefined && bot !== null) this.#told.value = bot;
    (this.#lookedAt.peek() ? this.#now : this.#later).soon();
  }

  /** Read them again at once: after a break, frames may have been lost. */
  load(): void {
    this.#now.soon();
  }

  async #read(): Promise<void> {
    this.#old = false;
    try {
      const page = (await this.#rest("GET", "/support/conversations?owner=bot&live=true&limit=100")) as {
        items: (Conversation | RoomState)[];
        next_cursor?: string | null;
      };
      this.items.value = page.items.map(conversation);
      this.#more.value = Boolean(page.next_cursor);
    } catch {
      this.#old = true; // What was known stays; the next time brings it.
    }
  }
}

function conversation(item: Conversation | RoomState): Conversation {
  if ("room" in item) return item;
  return { room: item.id, channel_type: item.channel_type, owner: item.owner, opened_at: item.created_at };
}
