/**
 * What is going on in one visitor's conversation, for the screen: its rows, and the verbs of thread and composer.
 * What is on its way is {@link Outgoing}'s, what was seen {@link Attention}'s, what is read out the herald's.
 */

import { batch, computed, effect, type ReadonlySignal, type Signal, signal, untracked } from "@preact/signals";
import type { Events, Message } from "@deskbell/client";
import { NextFrame } from "@deskbell/ui/frames.ts";
import { steady } from "@deskbell/ui/steady.ts";
import { past, present, type Row } from "@deskbell/ui/timeline.ts";
import type { VirtualList } from "@deskbell/ui/virtual.tsx";
import { Attention } from "./attention.ts";
import { isSpoken } from "./events.ts";
import { Outgoing } from "./outgoing.ts";
import type { Session } from "./session.ts";
import { speakAs } from "./words.ts";

const TYPING_EVERY_MS = 4_000;
const PAGE = 50;
const MOST_HEARD = 4;

const talks = new WeakMap<Session, Talk>();

/** The talk of a session; it lives as long as the session does. */
export function talkOf(session: Session): Talk {
  let talk = talks.get(session);
  if (!talk) talks.set(session, (talk = new Talk(session)));
  return talk;
}

export class Talk {
  readonly session: Session;
  readonly rows: ReadonlySignal<readonly Row[]>;
  readonly replyTo: Signal<Message | undefined> = signal();
  readonly editing: Signal<Message | undefined> = signal();
  readonly editText: Signal<string> = signal("");
  /** The quick reply that was just taken. */
  readonly chosen: Signal<{ message: string; choice: string } | undefined> = signal();
  readonly list: Signal<VirtualList | null> = signal(null);
  readonly loadingOlder: Signal<boolean> = signal(false);
  readonly outgoing: Outgoing;
  readonly attention: Attention;
  /** What others have said and is still to be read out. */
  readonly heard: Signal<readonly Message[]> = signal([]);
  readonly #stored: Signal<number> = signal(0); // told when stored messages have changed
  readonly #writing: Signal<number> = signal(0);
  readonly #marks: Signal<number> = signal(0);
  readonly #typing: Signal<number> = signal(0);
  readonly #moved = new Set<Signal<number>>();
  readonly #frame = new NextFrame(() => {
    this.#takeUp();
  });
  #born: Message[] = [];
  #more = true; // there is something older than what is here
  #typed = 0; // when typing was last told
  #typingOff: ReturnType<typeof setTimeout> | undefined;

  constructor(session: Session) {
    this.session = session;
    speakAs(session.texts);
    this.outgoing = new Outgoing(session, this.#stored);
    this.attention = new Attention(session, this.list, this.#stored);
    let before: readonly Row[] = [];
    let beforeBelow: readonly Row[] = [];
    const above = computed(() => {
      const messages = this.#stored.value >= 0 ? (session.view.value?.ordered() ?? []) : [];
      before = steady(before, past(messages, { me: session.me.value?.id, seen: this.attention.seen.value, spoken: isSpoken }));
      return before;
    });
    this.rows = computed(() => {
      beforeBelow = steady(beforeBelow, present({ past: above.value, unsent: this.outgoing.unsent.value, writing: this.writing() }));
      return [...above.value, ...beforeBelow];
    });
    effect(() => {
      const view = session.view.value;
      untracked(() => {
        this.#more = view !== undefined;
        this.chosen.value = this.replyTo.value = this.editing.value = this.outgoing.note.value = undefined;
        this.outgoing.recount();
        this.outgoing.ask();
      });
    });
    this.#listen();
  }

  // -- what is of the moment; who reads it is drawn again when it changes

  /** What the bot has written so far, by turn. */
  writing(): ReadonlyMap<string, string> {
    return (this.#writing.value >= 0 ? this.session.view.value?.writing() : undefined) ?? new Map<string, string>();
  }

  /** How far everybody has read. */
  reads(): ReadonlyMap<string, readonly [number, number]> {
    return (this.#marks.value >= 0 ? this.session.view.value?.reads : undefined) ?? new Map<string, [number, number]>();
  }

  /** Others who are typing. */
  writers(): string[] {
    const all = this.#typing.value >= 0 ? (this.session.view.value?.typing() ?? []) : [];
    return all.filter((user) => user !== this.session.me.value?.id);
  }

  // -- verbs

  /** Send a text. Where there is no conversation yet, it begins with it. */
  async send(content: string): Promise<void> {
    const { session } = this;
    if (session.room.value === undefined) await session.begin();
    const room = session.room.value;
    if (room === undefined) return;
    const reply = this.replyTo.value?.id;
    this.replyTo.value = this.attention.seen.value = undefined;
    this.stopTyping();
    this.outgoing.send(room, content, reply);
    this.list.value?.toEnd();
  }

  /** Store what was edited; what is refused stays in the composer. */
  async saveEdit(): Promise<void> {
    const message = this.editing.value;
    const text = this.editText.value.trim();
    if (!message || !text) return;
    const done = text === message.content || (await this.outgoing.tried(this.session.client.editMessage(message.id, text)));
    if (done) this.editing.value = undefined;
  }

  /** A key was pressed in the composer. */
  type(): void {
    const room = this.session.room.peek();
    if (room === undefined || this.session.online.peek() !== "live") return;
    clearTimeout(this.#typingOff);
    this.#typingOff = setTimeout(() => {
      this.stopTyping();
    }, TYPING_EVERY_MS);
    if (Date.now() - this.#typed < TYPING_EVERY_MS) return;
    this.#typed = Date.now();
    this.session.client.setTyping(room, true);
  }

  stopTyping(): void {
    clearTimeout(this.#typingOff);
    const room = this.session.room.peek();
    if (this.#typed && room !== undefined) this.session.client.setTyping(room, false);
    this.#typed = 0;
  }

  /** Fetch what is older than what is here; one page at a time. */
  async older(): Promise<void> {
    const view = this.session.view.peek();
    if (!view?.live || !this.#more || this.loadingOlder.peek() || view.oldest <= Math.max(1, view.floor)) return;
    this.loadingOlder.value = true;
    try {
      const found = await this.session.client.history(view.id, { before: view.oldest, limit: PAGE });
      if (view === this.session.view.peek()) this.#more = found.more_before;
    } catch {
      // it is asked for again with the next scroll
    } finally {
      this.loadingOlder.value = false;
      this.#stored.value++;
    }
  }

  #listen(): void {
    const { client, room } = this.session;
    const here = <Name extends keyof Events>(names: readonly Name[], hear: (event: Events[Name]) => void): void => {
      for (const name of names) {
        client.on(name, (event) => {
          if (!("room" in event) || typeof event.room !== "string" || event.room === room.peek()) hear(event);
        });
      }
    };
    const told = (version: Signal<number>) => () => {
      this.#moved.add(version);
      this.#frame.ask();
    };
    here(["changed", "purged", "participant", "room"], told(this.#stored));
    here(["writing", "void", "message", "loaded"], told(this.#writing));
    here(["read", "loaded"], told(this.#marks));
    here(["typing", "message"], told(this.#typing));
    here(["loaded"], () => {
      this.#more = true;
      this.outgoing.recount();
    });
    here(["message"], ({ message }) => {
      this.#born.push(message);
      told(this.#stored)();
    });
  }

  /** Take up all that has come since the last picture. */
  #takeUp(): void {
    const { client, me, shown } = this.session;
    const born = this.#born;
    this.#born = [];
    batch(() => {
      for (const version of this.#moved) version.value++;
      this.#moved.clear();
      const theirs = born.filter((message) => message.sender.id !== me.peek()?.id);
      this.outgoing.stored(born.filter((message) => !theirs.includes(message)));
      const last = theirs.at(-1);
      if (last) client.markDelivered(last.room, last.seq);
      if (shown.peek()) this.heard.value = [...this.heard.peek(), ...theirs].slice(-MOST_HEARD);
    });
  }
}
