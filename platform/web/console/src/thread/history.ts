/**
 * A conversation's two rooms as far as they are in memory: the visitor's, and backstage with the notes that belong
 * to the part that is here. It asks the server for what one scrolls or jumps to; one question at a time.
 */

import { type Client, DeskbellError, type HistoryBounds, type Message } from "@deskbell/client";
import { known } from "../acts.ts";
import { anchorOf } from "./rows.ts";
import { Stretch } from "./stretch.ts";

const PAGE = 100;
const SUBSCRIBED = 50; // messages that a subscribed room begins with, where there are so many
const NOTE_PAGES = 40; // at most so many questions for the notes of one part
const BEHIND = 300; // so much the client keeps of what is shown from here

export class History {
  readonly front = new Stretch();
  readonly notes = new Stretch();
  readonly #client: Client;
  readonly #room: string;
  #back: string | undefined;

  constructor(client: Client, room: string) {
    this.#client = client;
    this.#room = room;
  }

  get back(): string | undefined {
    return this.#back;
  }

  /** Take up the visitor's room as the client follows it: its newest part. */
  followed(): void {
    const view = this.#client.rooms.get(this.#room);
    if (!view) return;
    const messages = view.ordered().filter((message) => message.seq >= view.oldest);
    this.front.begin(messages, { before: messages.length >= SUBSCRIBED, after: false });
  }

  /** Take up the room backstage likewise. */
  followedBack(back: string): void {
    this.#back = back;
    const view = this.#client.rooms.get(back);
    if (!view) return;
    const messages = view.ordered().filter((message) => message.seq >= view.oldest);
    this.notes.begin(messages, { before: messages.length >= SUBSCRIBED, after: false });
  }

  /** One page older. */
  async before(): Promise<void> {
    const { front } = this;
    if (!front.moreBefore) return;
    const page = await this.#ask(this.#room, older(front.first));
    front.before(page.messages, page.more_before);
    await this.#notesToo();
  }

  /** One page newer; with the last one it reaches the present again. */
  async after(): Promise<void> {
    const { front } = this;
    if (!front.moreAfter) return;
    const page = await this.#ask(this.#room, { after: front.last, limit: PAGE });
    front.after(page.messages, page.more_after);
    this.#upToNow();
    await this.#notesToo();
  }

  /** The present. */
  async newest(): Promise<void> {
    const page = await this.#ask(this.#room, { limit: PAGE });
    this.front.begin(page.messages, { before: page.more_before, after: false });
    this.#upToNow();
    if (this.#back !== undefined && this.notes.moreAfter) {
      const notes = await this.#ask(this.#back, { limit: PAGE });
      this.notes.begin(notes.messages, { before: notes.more_before, after: false });
    }
    await this.#notesToo();
  }

  /** Around a message or a moment; the `seq` that was found. */
  async around(bounds: { around: string | number } | { at: string }): Promise<number> {
    const page = await this.#ask(this.#room, { ...bounds, limit: PAGE });
    this.front.begin(page.messages, { before: page.more_before, after: page.more_after });
    const first = page.messages[0];
    if (this.#back !== undefined && first && this.notes.moreBefore) {
      const notes = await this.#ask(this.#back, { at: first.created_at, limit: PAGE });
      this.notes.begin(notes.messages, { before: notes.more_before, after: notes.more_after });
    }
    await this.#notesToo();
    return page.around ?? first?.seq ?? 0;
  }

  /** Around a message, or around the place where it was written if it is a note. */
  async aroundMessage(message: string | number): Promise<void> {
    try {
      await this.around({ around: message });
    } catch (thrown) {
      if (known(thrown).code !== "not_found" || typeof message === "number") throw thrown;
      await this.#aroundNote(message);
    }
  }

  async #aroundNote(id: string): Promise<void> {
    if (this.#back === undefined) throw new DeskbellError("not_found", "There is no such message here.");
    const page = await this.#ask(this.#back, { around: id, limit: PAGE });
    const note = page.messages.find((message) => message.id === id);
    if (!note) throw new DeskbellError("not_found", "There is no such message here.");
    this.notes.begin(page.messages, { before: page.more_before, after: page.more_after });
    const front = await this.#ask(this.#room, { around: anchorOf(note), limit: PAGE });
    this.front.begin(front.messages, { before: front.more_before, after: front.more_after });
    await this.#notesToo();
  }

  /** What is below the floor is gone. */
  purged(which: "front" | "back", floor: number): void {
    (which === "front" ? this.front : this.notes).purge(floor);
  }

  /** The row of a message or note, if it is here. */
  keyOf(message: string | number): string | undefined {
    const { front, notes } = this;
    if (typeof message === "number") return front.messages.findLast((one) => one.seq <= message)?.id;
    const note = notes.messages.find((one) => one.id === message);
    if (note && (!front.moreBefore || anchorOf(note) >= front.first) && (front.live || anchorOf(note) <= front.last)) return note.id;
    return front.messages.find((one) => one.id === message)?.id;
  }

  /** Keep the client's own memory of the rooms small: what is shown is kept here. */
  forget(): void {
    for (const room of [this.#room, this.#back]) {
      const view = room === undefined ? undefined : this.#client.rooms.get(room);
      if (view?.live && view.messages.size > 2 * BEHIND) view.forgetBelow((view.position ?? 0) - BEHIND);
    }
  }

  /** The notes of the part that is here. */
  async #notesToo(): Promise<void> {
    this.forget();
    const { notes, front } = this;
    const back = this.#back;
    if (back === undefined) return;
    for (let pages = 0; pages < NOTE_PAGES && notes.moreBefore && this.#reaches(notes.messages[0]) >= (front.moreBefore ? front.first : 0); pages++) {
      const page = await this.#ask(back, older(notes.first));
      notes.before(page.messages, page.more_before);
    }
    for (let pages = 0; pages < NOTE_PAGES && notes.moreAfter && this.#reaches(notes.messages.at(-1)) <= (front.live ? Infinity : front.last); pages++) {
      const newer = await this.#ask(back, { after: notes.last, limit: PAGE });
      notes.after(newer.messages, newer.more_after);
    }
  }

  /** A page may be older than what was told since it was asked for. */
  #upToNow(): void {
    if (!this.front.live) return;
    const told = this.#client.rooms.get(this.#room)?.ordered() ?? [];
    this.front.changed(told);
    this.front.born(told);
  }

  #reaches(note: Message | undefined): number {
    return note ? anchorOf(note) : 0;
  }

  #ask(room: string, bounds: HistoryBounds): ReturnType<Client["history"]> {
    return this.#client.history(room, bounds);
  }
}

function older(first: number): HistoryBounds {
  return first > 0 ? { before: first, limit: PAGE } : { limit: PAGE };
}
