/**
 * The rooms one is in, with what is unread: `inbox` frames as they come, and after every welcome what the list of
 * rooms says has changed, since frames may be lost.
 */

import { asError } from "./errors.ts";
import type { Told } from "./events.ts";
import type { Inbox as InboxFrame, Message, RoomState } from "./generated.ts";

export interface InboxEntry {
  room: string;
  seq: number;
  unread: number;
  mentioned: boolean;
  /** The newest message, once one was heard of. */
  last?: Message;
  /** The room as the list showed it; a followed room is fresher in its view. */
  state?: RoomState;
}

interface Listed {
  items: { room: RoomState; seq: number; unread: number; mentioned: boolean }[];
  as_of: string;
  next_cursor?: string | null;
}

export class Inbox {
  readonly entries = new Map<string, InboxEntry>();
  readonly #get: (path: string) => Promise<unknown>;
  readonly #tell: (told: Told) => void;
  readonly #touched = new Set<string>(); // rooms of which a frame came while the list was on its way
  #asOf: string | undefined;
  #round = 0;

  constructor(get: (path: string) => Promise<unknown>, tell: (told: Told) => void) {
    this.#get = get;
    this.#tell = tell;
  }

  /** All that is unread. */
  get unread(): number {
    return [...this.entries.values()].reduce((sum, entry) => sum + entry.unread, 0);
  }

  frame(frame: InboxFrame): void {
    this.#touched.add(frame.room);
    if (frame.removed) {
      this.entries.delete(frame.room);
      this.#tell({ name: "inbox", event: { room: frame.room, entry: undefined } });
      return;
    }
    const { room, seq, unread, mentioned } = frame;
    const entry: InboxEntry = { ...this.entries.get(room), room, seq, unread, mentioned };
    if (frame.last) entry.last = frame.last;
    this.#put(entry);
  }

  /** After a welcome: make up for what was not heard. */
  async heal(): Promise<void> {
    const round = ++this.#round;
    this.#touched.clear();
    let asOf: string | undefined;
    let cursor: string | undefined;
    try {
      do {
        const query = new URLSearchParams({ limit: "100" });
        if (this.#asOf !== undefined) query.set("since", this.#asOf);
        if (cursor !== undefined) query.set("cursor", cursor);
        const page = (await this.#get(`/rooms?${query.toString()}`)) as Listed;
        if (round !== this.#round) return; // a later welcome does it again
        asOf ??= page.as_of;
        cursor = page.next_cursor ?? undefined;
        for (const { room: state, seq, unread, mentioned } of page.items) {
          const known = this.entries.get(state.id);
          // A frame that came meanwhile is the newer word, unless the list has seen more of the room.
          if (this.#touched.has(state.id) && seq <= (known?.seq ?? 0)) continue;
          this.#put({ ...known, room: state.id, seq, unread, mentioned, state });
        }
      } while (cursor !== undefined);
      this.#asOf = asOf;
    } catch (thrown) {
      if (round === this.#round) this.#tell({ name: "problem", event: { error: asError(thrown) } });
    }
  }

  #put(entry: InboxEntry): void {
    this.entries.set(entry.room, entry);
    this.#tell({ name: "inbox", event: { room: entry.room, entry } });
  }
}
