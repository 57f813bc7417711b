/**
 * What of the conversation somebody has seen: read marks for what is to be seen by somebody who is here, the line
 * above what came while nobody looked, and how far the end was followed.
 */

import { computed, effect, type ReadonlySignal, type Signal, signal, untracked } from "@preact/signals";
import type { Message } from "@deskbell/client";
import type { VirtualList } from "@deskbell/ui/virtual.tsx";
import type { Session } from "./session.ts";

const MARK_MS = 400; // a burst moves the mark a few times, not hundreds

export class Attention {
  /** What is above this `seq` is new; nothing is where it is not said. */
  readonly seen: Signal<number | undefined> = signal();
  /** The last `seq` that was to be seen at the end. */
  readonly followed: Signal<number> = signal(0);
  readonly #focused: Signal<boolean> = signal(document.hasFocus());
  #marked = 0;

  /** `stored` is told when messages have changed. */
  constructor(session: Session, list: ReadonlySignal<VirtualList | null>, stored: ReadonlySignal<number>) {
    const messages = (): Message[] => (stored.value >= 0 ? [...(session.view.value?.messages.values() ?? [])] : []);
    const focus = (): void => {
      this.#focused.value = document.hasFocus();
    };
    for (const name of ["focus", "blur"]) addEventListener(name, focus);
    effect(() => {
      const view = session.view.value;
      untracked(() => {
        const read = view?.reads.get(session.me.peek()?.id ?? "")?.[0] ?? 0;
        this.#marked = read;
        this.seen.value = read > 0 ? read : undefined;
        this.followed.value = lastOf(messages());
      });
    });
    // At once where it has rested long enough, else when it has: then with the latest.
    let due: { room: string; seq: number } | undefined;
    let rested = 0;
    const mark = (room: string, seq: number): void => {
      if (due?.room === room) {
        due.seq = seq;
        return;
      }
      const mine = (due = { room, seq });
      setTimeout(() => {
        if (due === mine) due = undefined;
        rested = performance.now() + MARK_MS;
        session.client.markRead(room, mine.seq).catch(() => undefined);
      }, Math.max(0, rested - performance.now()));
    };
    // Who looks away finds on coming back what is new.
    const looking = computed(() => session.shown.value && this.#focused.value);
    let looked = looking.peek();
    effect(() => {
      const looks = looking.value;
      if (looked && !looks) this.seen.value = untracked(() => lastOf(messages()));
      looked = looks;
    });
    effect(() => {
      const view = session.view.value;
      const last = lastOf(messages());
      if (!view || !list.value?.atEnd.value) return;
      this.followed.value = last;
      if (!looking.value || last <= this.#marked) return;
      this.#marked = last;
      mark(view.id, last);
    });
  }
}

function lastOf(messages: readonly Message[]): number {
  return messages.reduce((last, { seq }) => Math.max(last, seq), 0);
}
