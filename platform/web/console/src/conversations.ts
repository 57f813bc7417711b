/**
 * Conversations in which the assistant answers: agents may read along and take over. They have no case and no frames
 * of their own, so the newest hundred are asked for again now and then.
 */

import { computed, type ReadonlySignal, signal } from "@preact/signals";
import type { RoomState } from "@deskbell/client";
import type { Rest } from "./cases.ts";
import type { Conversation } from "./records.ts";

export class Conversations {
  readonly items = signal<readonly Conversation[]>([]);
  /** There are more than are here. */
  readonly more = signal(false);
  readonly byRoom: ReadonlySignal<ReadonlyMap<string, Conversation>>;
  readonly #rest: Rest;

  constructor(rest: Rest) {
    this.#rest = rest;
    this.byRoom = computed(() => new Map(this.items.value.map((item) => [item.room, item])));
  }

  async load(): Promise<void> {
    try {
      const page = (await this.#rest("GET", "/support/conversations?owner=bot&limit=100")) as {
        items: (Conversation | RoomState)[];
        next_cursor?: string | null;
      };
      this.items.value = page.items.map(conversation);
      this.more.value = Boolean(page.next_cursor);
    } catch {
      // What was known stays; the next time brings it.
    }
  }
}

function conversation(item: Conversation | RoomState): Conversation {
  if ("room" in item) return item;
  return { room: item.id, channel_type: item.channel_type, owner: item.owner, opened_at: item.created_at };
}
