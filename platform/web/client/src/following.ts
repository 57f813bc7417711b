/**
 * Rooms that are followed over the connection: subscribed after every welcome from where they stand, and again
 * whenever a number is missing.
 */

import { askedMs } from "./backoff.ts";
import { DeskbellError } from "./errors.ts";
import type { Told } from "./events.ts";
import type { Changes, ClientFrame, Message, Reset, Subscribed, SubscribeRoom, Tips } from "./generated.ts";
import type { DurableFrame } from "./incoming.ts";
import { promised, type Promised } from "./promised.ts";
import { RoomView } from "./room.ts";
import type { Surroundings } from "./surroundings.ts";

const ANSWER_MS = 30_000; // a subscribe unanswered for so long is asked again
const ROOMS_PER_FRAME = 100;

/** What following needs of the connection. */
export interface Speaker {
  /** Whether there is a line that was welcomed. */
  readonly ready: () => boolean;
  readonly say: (frame: ClientFrame) => void;
  readonly nextRef: () => number;
  readonly tell: (told: Told) => void;
}

export class Following {
  readonly rooms = new Map<string, RoomView>();
  readonly #speaker: Speaker;
  readonly #around: Surroundings;
  readonly #asked = new Map<string, { ref: number; at: number }>(); // subscribes under way
  readonly #waiting = new Map<string, Promised<RoomView>>();

  constructor(speaker: Speaker, around: Surroundings) {
    this.#speaker = speaker;
    this.#around = around;
  }

  /** Follow a room; its view, complete. */
  follow(room: string): Promise<RoomView> {
    let view = this.rooms.get(room);
    if (!view) this.rooms.set(room, (view = new RoomView(room, this.#around.now)));
    if (view.live) return Promise.resolve(view);
    let waiting = this.#waiting.get(room);
    if (!waiting) {
      this.#waiting.set(room, (waiting = promised<RoomView>()));
    }
    this.#ask([view]);
    return waiting.promise;
  }

  /** Whether nobody waits for this number of the room any more: it was told, or the room is not followed. */
  told(room: string, seq: number): boolean {
    const view = this.rooms.get(room);
    return !view || view.settled >= seq;
  }

  /** Follow a room no more, and forget it. */
  drop(room: string, error = new DeskbellError("not_found", "The room is no longer followed.")): void {
    this.rooms.delete(room);
    this.#asked.delete(room);
    this.#waiting.get(room)?.reject(error);
    this.#waiting.delete(room);
  }

  welcomed(): void {
    this.#ask([...this.rooms.values()]);
  }

  lost(): void {
    this.#asked.clear();
    for (const view of this.rooms.values()) view.lost();
  }

  over(error: DeskbellError): void {
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }

  durable(frame: DurableFrame): void {
    const view = this.rooms.get(frame.room);
    if (view) this.#took(view, view.durable(frame));
  }

  page(frame: Subscribed | Changes): void {
    const view = this.rooms.get(frame.room);
    if (!view) return;
    if (frame.type === "subscribed") {
      const asked = this.#asked.get(frame.room);
      // The answer to a question that no longer stands, e.g. one from before a reset.
      if (!asked || (typeof frame.ref === "number" && frame.ref !== asked.ref)) return;
    }
    this.#took(view, view.page(frame));
  }

  reset(frame: Reset): void {
    const view = this.rooms.get(frame.room);
    if (!view) return;
    const asked = this.#asked.get(frame.room);
    // One that answers an earlier subscribe says nothing of the one under way.
    if (typeof frame.ref === "number" && asked && asked.ref !== frame.ref) return;
    view.reset();
    this.#asked.delete(frame.room);
    this.#ask([view]);
  }

  tips(frame: Tips): void {
    for (const [room, seq] of Object.entries(frame.rooms)) {
      const view = this.rooms.get(room);
      if (!view) continue;
      view.heardOf(seq);
      const asked = this.#asked.get(room);
      if (asked ? this.#around.now() - asked.at > ANSWER_MS : view.behind) {
        this.#asked.delete(room);
        this.#ask([view]);
      }
    }
  }

  learn(messages: Message[]): void {
    for (const message of messages) {
      for (const told of this.rooms.get(message.room)?.learn(message) ?? []) this.#speaker.tell(told);
    }
  }

  /** Take an error that may answer a subscribe; whether it did. */
  refused(ref: unknown, room: string | null | undefined, error: DeskbellError): boolean {
    const rooms = [...this.#asked].filter(([id, asked]) => asked.ref === ref && (room == null || id === room));
    for (const [id] of rooms) {
      this.#asked.delete(id);
      if (error.temporary) {
        this.#around.after(askedMs(error.retryAfterMs ?? 1000, this.#around.random()), () => {
          const view = this.rooms.get(id);
          if (view && !view.live) this.#ask([view]);
        });
        continue;
      }
      const known = this.rooms.get(id)?.position !== undefined;
      this.drop(id, error);
      if (known) this.#speaker.tell({ name: "lost", event: { room: id, error } });
    }
    return rooms.length > 0;
  }

  /** Subscribe rooms from their positions, but for those whose subscribe is under way. */
  #ask(views: RoomView[]): void {
    if (!this.#speaker.ready()) return;
    const wanted = views.filter((view) => !this.#asked.has(view.id));
    for (let start = 0; start < wanted.length; start += ROOMS_PER_FRAME) {
      const ref = this.#speaker.nextRef();
      const rooms = wanted.slice(start, start + ROOMS_PER_FRAME).map((view): SubscribeRoom => {
        this.#asked.set(view.id, { ref, at: this.#around.now() });
        view.asking();
        if (view.position === undefined) return { id: view.id };
        return { id: view.id, since: view.position, epoch: view.epoch ?? null };
      });
      this.#speaker.say({ type: "subscribe", rooms, ref });
    }
  }

  /** Tell what happened; ask for what is missing. */
  #took(view: RoomView, told: Told[]): void {
    for (const one of told) this.#speaker.tell(one);
    if (view.live) {
      this.#asked.delete(view.id);
      this.#waiting.get(view.id)?.resolve(view);
      this.#waiting.delete(view.id);
      if (view.behind && this.rooms.has(view.id)) this.#ask([view]);
    }
  }
}
