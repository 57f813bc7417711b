/**
 * What was read: marks move only while the page is looked at and its end is to be seen, and what came meanwhile is
 * counted. When one comes back after a while, what is new begins where one left.
 */

import { signal } from "@preact/signals";
import type { VirtualList } from "@deskbell/ui/virtual.tsx";
import { isEvent } from "./rows.ts";
import type { Talk } from "./talk.ts";

const MARK_MS = 400; // a burst moves the mark a few times, not hundreds

export class Reading {
  /** Messages of others below what is to be seen. */
  readonly unseen = signal(0);
  readonly #talk: Talk;
  readonly #list: VirtualList;
  readonly #offs: (() => void)[];
  readonly #marked = new Map<string, number>();
  #seen = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(talk: Talk, list: VirtualList) {
    this.#talk = talk;
    this.#list = list;
    const { conversation } = talk;
    const looked = (): void => {
      if (!this.#looking()) {
        // One leaves: what comes now is new when one is back.
        const { last } = conversation.history.front;
        if (last > 0 && !talk.unreadKept && list.atEnd.peek()) conversation.leftAt.value = last;
      } else {
        conversation.touch();
        this.#later();
      }
    };
    document.addEventListener("visibilitychange", looked);
    addEventListener("focus", looked);
    this.#offs = [
      () => {
        document.removeEventListener("visibilitychange", looked);
        removeEventListener("focus", looked);
      },
      ...[conversation.rows, list.atEnd].map((moved) =>
        moved.subscribe(() => {
          this.#count();
          this.#later();
        }),
      ),
    ];
  }

  stop(): void {
    clearTimeout(this.#timer);
    for (const off of this.#offs) off();
  }

  #looking(): boolean {
    return document.visibilityState === "visible";
  }

  #atEnd(): boolean {
    return this.#list.atEnd.peek() && this.#talk.conversation.history.front.live;
  }

  #count(): void {
    const { front } = this.#talk.conversation.history;
    if (this.#atEnd()) this.#seen = Math.max(this.#seen, front.last);
    const mine = this.#talk.conversation.me;
    let unseen = 0;
    for (let at = front.messages.length - 1; at >= 0; at--) {
      const message = front.messages[at];
      if (!message || message.seq <= this.#seen) break;
      if (message.sender.id !== mine && !isEvent(message)) unseen++;
    }
    // What one has not scrolled to yet in the past is not new.
    this.unseen.value = this.#seen > 0 && front.live ? unseen : 0;
  }

  #later(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#mark();
    }, MARK_MS);
  }

  #mark(): void {
    const { conversation, unreadKept } = this.#talk;
    if (!this.#looking() || !this.#atEnd() || unreadKept) return;
    const { front, notes } = conversation.history;
    this.#moveTo(conversation.id, front.last);
    if (conversation.back.value !== undefined) this.#moveTo(conversation.back.value, notes.last);
  }

  #moveTo(room: string, seq: number): void {
    if (seq <= (this.#marked.get(room) ?? 0)) return;
    this.#marked.set(room, seq);
    this.#talk.desk.client.markRead(room, seq).catch(() => {
      this.#marked.delete(room);
    });
  }
}
