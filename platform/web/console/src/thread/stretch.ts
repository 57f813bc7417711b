/**
 * The part of a room's past that is in memory: one unbroken run of messages by `seq`, which grows at both ends and
 * is cut at the far one. It promises that nothing lies between two neighbours that the server would have told of,
 * and that no version of a message replaces a later one. Asking the server is left to {@link Conversation}.
 */

import type { Message } from "@deskbell/client";

/** So many messages are kept, give or take a page. */
export const KEPT = 2_000;
const SLACK = 400; // cut in lumps, so that a burst does not cut at every message

export class Stretch {
  messages: readonly Message[] = [];
  /** There is more on the server before the first, or after the last one here. */
  moreBefore = false;
  moreAfter = false;
  readonly #kept: number;

  constructor(kept = KEPT) {
    this.#kept = kept;
  }

  get first(): number {
    return this.messages[0]?.seq ?? 0;
  }

  get last(): number {
    return this.messages.at(-1)?.seq ?? 0;
  }

  /** Whether it reaches to the present, so that what is new joins at its end. */
  get live(): boolean {
    return !this.moreAfter;
  }

  /** Somewhere else, or the same place afresh: what was here is forgotten. */
  begin(messages: readonly Message[], more: { before: boolean; after: boolean }): void {
    this.messages = [...messages].sort((one, other) => one.seq - other.seq);
    this.moreBefore = more.before;
    this.moreAfter = more.after;
  }

  /** Older messages, which end where this begins. The newest are dropped when there are too many. */
  before(page: readonly Message[], more: boolean): void {
    const { first } = this;
    const older = page.filter((message) => this.messages.length === 0 || message.seq < first);
    this.moreBefore = more;
    this.messages = [...older, ...this.messages];
    if (this.messages.length <= this.#kept + SLACK) return;
    this.messages = this.messages.slice(0, this.#kept);
    this.moreAfter = true;
  }

  /** Newer messages, which begin where this ends. The oldest are dropped when there are too many. */
  after(page: readonly Message[], more: boolean): void {
    const { last } = this;
    this.moreAfter = more;
    this.messages = [...this.messages, ...page.filter((message) => message.seq > last)];
    this.#cutStart();
  }

  /**
   * New messages, in order; how many of them were taken. Where this does not reach to the present none are: they
   * come with the pages in between.
   */
  born(born: readonly Message[]): number {
    if (this.moreAfter) return 0;
    const { last } = this;
    const taken = born.filter((message) => message.seq > last);
    if (taken.length === 0) return 0;
    this.messages = [...this.messages, ...taken];
    this.#cutStart();
    return taken.length;
  }

  /** Messages in a later state; whether any is here. */
  changed(changed: readonly Message[]): boolean {
    let copy: Message[] | undefined;
    for (const message of changed) {
      const at = this.#place(message.seq);
      const before = this.messages[at];
      if (before?.id !== message.id || before.changed_seq >= message.changed_seq) continue;
      copy ??= [...this.messages];
      copy[at] = message;
    }
    if (copy) this.messages = copy;
    return copy !== undefined;
  }

  /** Messages below `floor` are gone for everybody. */
  purge(floor: number): void {
    if (this.first >= floor) return;
    this.messages = this.messages.filter((message) => message.seq >= floor);
    this.moreBefore = false;
  }

  has(seq: number): boolean {
    return this.messages[this.#place(seq)]?.seq === seq;
  }

  /** Whether a `seq` lies within what is here, be it a message's or not. */
  covers(seq: number): boolean {
    return this.messages.length > 0 && seq >= this.first && seq <= this.last;
  }

  /** Where a message of this `seq` is, or would be. */
  #place(seq: number): number {
    let low = 0;
    let high = this.messages.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.messages[middle]?.seq ?? 0) < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #cutStart(): void {
    if (this.messages.length <= this.#kept + SLACK) return;
    this.messages = this.messages.slice(-this.#kept);
    this.moreBefore = true;
  }
}
