/**
 * Which conversations are open beside the one that is shown. One's own, and those one has begun to write in, stay
 * until they are over or closed; whatever else one looks at has one passing place, which the next takes.
 *
 * What stays is remembered per user, by room alone, and followed, so that one sees who is typing.
 */

import { computed, effect, type ReadonlySignal, signal, untracked } from "@preact/signals";
import type { Desk } from "../desk.ts";
import { followedOf } from "../followed.ts";
import { prefer, preferences } from "../preferences.ts";
import { go, goToRoom, place } from "../route.ts";

const LIVE_MS = 5 * 60_000;
const TYPING_LOOK_MS = 2_000;
const FOLLOWED_MOST = 12;

/** A new message; something was said lately; quiet for a while, or put off; over. */
export type Pulse = "new" | "live" | "quiet" | "over";

export class Open {
  readonly passing = signal<string | undefined>(undefined);
  /** From first to last; the passing one at the end. */
  readonly rooms: ReadonlySignal<readonly string[]>;
  /** Who is typing, by room. */
  readonly typing = signal<ReadonlyMap<string, readonly string[]>>(new Map());
  readonly #desk: Desk;
  readonly #followed = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #before: string | undefined;

  constructor(desk: Desk) {
    this.#desk = desk;
    this.rooms = computed(() => {
      const { open } = preferences.value;
      const passing = this.passing.value;
      return passing === undefined || open.includes(passing) ? open : [...open, passing];
    });
  }

  /** Keep up until what comes back is called. */
  start(): () => void {
    const desk = this.#desk;
    const ends = [
      effect(() => {
        const room = desk.selected.value;
        untracked(() => { this.#shown(room); });
      }),
      effect(() => {
        const room = desk.selected.value;
        if (room !== undefined && this.#stays(room)) untracked(() => { this.#keep(room); });
      }),
      effect(() => {
        // What was over before one came has no place any more.
        if (desk.loading.value === "done") untracked(() => { this.#only((room) => room === desk.selected.peek() || this.#stays(room)); });
      }),
      effect(() => {
        const wanted = preferences.value.open.slice(0, FOLLOWED_MOST);
        untracked(() => { this.#follow(wanted); });
      }),
      desk.client.on("typing", () => { this.#lookWhoTypes(); }),
      desk.client.on("message", () => { if (this.typing.peek().size > 0) this.#lookWhoTypes(); }),
    ];
    return () => {
      for (const end of ends) end();
      clearTimeout(this.#timer);
      this.#follow([]);
    };
  }

  pulse(room: string): Pulse {
    const desk = this.#desk;
    if ((desk.unread.value.get(room)?.unread ?? 0) > 0 && desk.selected.value !== room) return "new";
    const row = desk.caseOf(room);
    if (row ? row.status === "resolved" || row.status === "merged" : !desk.conversations.byRoom.value.has(room)) return "over";
    const last = row ? row.last : desk.conversations.byRoom.value.get(room)?.last;
    const lately = last ? desk.minute.value - Date.parse(last.created_at) < LIVE_MS : false;
    return row?.status !== "snoozed" && (lately || this.typing.value.has(room)) ? "live" : "quiet";
  }

  /** Go to the tab before or after the one that is shown, around the ends. */
  step(by: 1 | -1): void {
    const rooms = this.rooms.peek();
    const at = rooms.indexOf(this.#desk.selected.peek() ?? "");
    const next = rooms[at < 0 ? (by > 0 ? 0 : rooms.length - 1) : (at + by + rooms.length) % rooms.length];
    if (next !== undefined) goToRoom(next, { replace: true });
  }

  /** Close one; of the shown one the neighbour takes the place, or the list where there is none. */
  close(room: string): void {
    const rooms = this.rooms.peek();
    const at = rooms.indexOf(room);
    const next = rooms[at + 1] ?? rooms[at - 1];
    const shown = this.#desk.selected.peek() === room;
    this.#before = undefined;
    this.#drop(room);
    const now = place.peek();
    if (!shown || now.screen !== "inbox") return;
    if (next === undefined) go({ screen: "inbox", list: now.list });
    else goToRoom(next, { replace: true });
  }

  #shown(room: string | undefined): void {
    const before = this.#before;
    this.#before = room;
    if (before !== undefined && before !== room && !this.#stays(before)) this.#only((one) => one !== before);
    if (room === undefined || preferences.peek().open.includes(room)) return;
    if (this.#stays(room)) this.#keep(room);
    else this.passing.value = room;
  }

  /** Whether one works on it: it is one's own, or one has begun to write. */
  #stays(room: string): boolean {
    const desk = this.#desk;
    const row = desk.caseOf(room);
    const mine = row?.agent === desk.me.value.user.id && (row.status === "assigned" || row.status === "snoozed");
    return mine || desk.drafts.value.has(room);
  }

  #keep(room: string): void {
    const { open } = preferences.peek();
    if (!open.includes(room)) prefer({ open: [...open, room] });
    if (this.passing.peek() === room) this.passing.value = undefined;
  }

  #drop(room: string): void {
    this.#only((one) => one !== room);
    if (this.passing.peek() === room) this.passing.value = undefined;
  }

  #only(stays: (room: string) => boolean): void {
    const { open } = preferences.peek();
    const left = open.filter(stays);
    if (left.length < open.length) prefer({ open: left });
  }

  #follow(wanted: readonly string[]): void {
    const followed = followedOf(this.#desk.client);
    for (const room of this.#followed) if (!wanted.includes(room) && this.#followed.delete(room)) followed.letGo(room);
    for (const room of wanted) {
      if (this.#followed.has(room)) continue;
      this.#followed.add(room);
      followed.follow(room).catch(() => {
        if (!this.#followed.has(room)) return;
        this.#drop(room); // it is gone, or no longer one's to see
      });
    }
  }

  #lookWhoTypes(): void {
    clearTimeout(this.#timer);
    const { client, me } = this.#desk;
    const now = new Map<string, readonly string[]>();
    for (const room of this.rooms.peek()) {
      const users = (client.rooms.get(room)?.typing() ?? []).filter((user) => user !== me.peek().user.id);
      if (users.length > 0) now.set(room, users);
    }
    const said = (of: ReadonlyMap<string, readonly string[]>): string => JSON.stringify([...of]);
    if (said(now) !== said(this.typing.peek())) this.typing.value = now;
    if (now.size > 0) this.#timer = setTimeout(() => { this.#lookWhoTypes(); }, TYPING_LOOK_MS);
  }
}
