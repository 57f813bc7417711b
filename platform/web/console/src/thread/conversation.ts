/**
 * One conversation on the screen: what its rows are at this moment, and the ways to another part of it.
 *
 * Promises: what arrives is taken up once per picture, whatever the pace; rows are complete between the two ends
 * that are here, and the ends say whether there is more. Drawing is left to `thread.tsx`, words to the texts.
 */

import { batch, computed, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { Client, DeskbellError, Message, PublicUser, RoomState } from "@deskbell/client";
import { NextFrame } from "@deskbell/ui/frames.ts";
import { steady } from "@deskbell/ui/steady.ts";
import { known } from "../acts.ts";
import { followedOf } from "../followed.ts";
import type { CaseRow } from "../records.ts";
import { hear } from "./hearing.ts";
import { History } from "./history.ts";
import { type Outgoing, outgoingOf } from "./outgoing.ts";
import { type Row, rowsOf } from "./rows.ts";
import { storyOf } from "./story.ts";
import { called } from "../visitors.ts";

const TYPING_LOOK_MS = 2_000;

/** A row to bring into view and to mark. */
export interface Target {
  key: string;
  /** Another one each time, so that one can be led to the same row twice. */
  turn: number;
}

export class Conversation {
  readonly id: string;
  readonly client: Client;
  readonly outgoing: Outgoing;
  readonly rows: ReadonlySignal<readonly Row[]>;
  readonly state = signal<RoomState | undefined>(undefined);
  /** The room of the notes; undefined where one may write none. */
  readonly back = signal<string | undefined>(undefined);
  readonly people = signal<ReadonlyMap<string, PublicUser>>(new Map());
  readonly case: Signal<CaseRow | undefined> = signal(undefined);
  readonly typing = signal<readonly string[]>([]);
  /** `more`: there is more on the server, before and after what is here. */
  readonly more = signal({ before: false, after: false });
  readonly loading = signal<"all" | "before" | "after" | undefined>("all");
  readonly problem = signal<DeskbellError | undefined>(undefined);
  readonly target = signal<Target | undefined>(undefined);
  /** What was read when one came; what is above it is new. */
  readonly leftAt = signal<number | undefined>(undefined);
  readonly history: History;
  readonly #rows = signal<readonly Row[]>([]);
  readonly #frame = new NextFrame(() => {
    this.#takeUp();
  });
  readonly #offs: (() => void)[] = [];
  #born: Message[] = [];
  #changed: Message[] = [];
  #asking: Promise<void> = Promise.resolve();
  #typingTimer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(client: Client, id: string) {
    this.client = client;
    this.id = id;
    this.outgoing = outgoingOf(client);
    this.history = new History(client, id);
    this.rows = this.#rows;
  }

  /** The visitor, once known, under the name they are called by. */
  readonly visitor: ReadonlySignal<PublicUser | undefined> = computed(() =>
    called(this.case.value?.visitor ?? [...this.people.value.values()].find((user) => user.kind === "visitor")));

  get me(): string {
    return this.client.user?.id ?? "";
  }

  /** The number up to which this page knows the visitor's room. */
  get position(): number {
    return this.client.rooms.get(this.id)?.position ?? 0;
  }

  // -- life

  async open(message?: string): Promise<void> {
    this.#listen();
    try {
      const [view, back] = await Promise.all([followedOf(this.client).follow(this.id), this.#backstage()]);
      if (this.#closed) return;
      this.history.followed();
      if (back !== undefined) this.history.followedBack(back);
      this.leftAt.value = view.reads.get(this.me)?.[0] || undefined; // who was never here has left nothing
      this.state.value = view.state;
      this.#meet();
      await this.#case(view.state?.case ?? undefined);
      if (message !== undefined) await this.goTo(message);
    } catch (thrown) {
      if (!this.#closed) this.problem.value = known(thrown);
    }
    this.loading.value = undefined;
    this.#takeUp();
  }

  close(): void {
    this.#closed = true;
    this.#frame.stop();
    clearTimeout(this.#typingTimer);
    for (const off of this.#offs) off();
    for (const room of [this.id, this.back.value]) {
      if (room !== undefined) followedOf(this.client).letGo(room);
    }
  }

  // -- ways through it

  before(): Promise<void> {
    return this.#ask("before", () => this.history.before());
  }

  after(): Promise<void> {
    return this.#ask("after", () => this.history.after());
  }

  /** The present. */
  newest(): Promise<void> {
    return this.history.front.live ? Promise.resolve() : this.#ask("all", () => this.history.newest());
  }

  /** Bring a message or a note into view, wherever it is. Rejects with `not_found` where there is none. */
  async goTo(message: string | number): Promise<void> {
    const here = this.history.keyOf(message);
    if (here === undefined) {
      await this.#ask("all", async () => {
        await this.history.aroundMessage(message);
      });
    }
    this.#lead(here ?? this.history.keyOf(message));
  }

  /** Bring the first message of a day or moment into view. */
  async goToMoment(at: Date): Promise<void> {
    await this.#ask("all", async () => {
      const seq = await this.history.around({ at: at.toISOString() });
      this.#takeUp();
      this.#lead(this.history.keyOf(seq));
    });
  }

  /** Who else has written something since the room stood at `seq`: the visitor or a colleague, whoever was last. */
  wroteAfter(seq: number): PublicUser | undefined {
    let last: PublicUser | undefined;
    for (const { seq: at, deleted, sender } of this.client.rooms.get(this.id)?.messages.values() ?? []) {
      if (at > seq && !deleted && sender.id !== this.me && sender.kind !== "system" && sender.kind !== "bot") last = sender;
    }
    return called(last);
  }

  /** Something beside the messages has changed that rows depend on. */
  touch(): void {
    this.#frame.ask();
  }

  #lead(key: string | undefined): void {
    if (key !== undefined) this.target.value = { key, turn: (this.target.value?.turn ?? 0) + 1 };
  }

  // -- what arrives

  #listen(): void {
    this.#offs.push(
      hear(this.client, (room) => (room === this.id ? "front" : room === this.back.value ? "back" : undefined), {
        born: (message) => {
          this.#later(this.#born, message);
        },
        changed: (message) => {
          this.#later(this.#changed, message);
        },
        state: (state) => {
          this.state.value = state;
          if (state.case && state.case !== this.case.value?.id) void this.#case(state.case);
          this.touch();
        },
        case: (row) => {
          if (row.room === this.id && (row.id === this.state.value?.case || !this.case.value)) this.#take(row);
        },
        afresh: (which) => {
          if (which === "front" && this.history.front.live) this.history.followed();
          if (which === "back" && this.back.value !== undefined) this.history.followedBack(this.back.value);
          this.touch();
        },
        purged: (which, floor) => {
          this.history.purged(which, floor);
          this.touch();
        },
        met: () => {
          this.#meet();
        },
        lost: (error) => {
          this.problem.value = error;
        },
        typed: () => {
          this.#lookWhoTypes();
        },
        moved: () => {
          this.touch();
        },
      }),
      this.outgoing.moved.subscribe(() => {
        this.touch();
      }),
    );
  }

  #later(list: Message[], message: Message): void {
    list.push(message);
    this.#frame.ask();
  }

  /** Take up all that has gathered, and make the rows. */
  #takeUp(): void {
    if (this.#closed) return;
    const { front, notes } = this.history;
    const born = this.#born;
    if (this.#changed.length > 0) {
      front.changed(this.#changed.filter((message) => message.room === this.id));
      notes.changed(this.#changed.filter((message) => message.room !== this.id));
    }
    if (born.length > 0) {
      front.born(born.filter((message) => message.room === this.id));
      notes.born(born.filter((message) => message.room !== this.id));
      this.outgoing.born(born);
      this.history.forget();
    }
    this.#born = [];
    this.#changed = [];
    batch(() => {
      this.#rows.value = steady(this.#rows.peek(), rowsOf(storyOf(this)));
      const { moreBefore: before, moreAfter: after } = front;
      if (before !== this.more.value.before || after !== this.more.value.after) this.more.value = { before, after };
      if (born.length > 0) this.#lookWhoTypes();
    });
  }

  #lookWhoTypes(): void {
    const view = this.client.rooms.get(this.id);
    const now = (view?.typing() ?? []).filter((user) => user !== this.me);
    if (now.join() !== this.typing.value.join()) this.typing.value = now;
    clearTimeout(this.#typingTimer);
    if (now.length > 0) this.#typingTimer = setTimeout(() => { this.#lookWhoTypes(); }, TYPING_LOOK_MS);
  }

  #meet(): void {
    const view = this.client.rooms.get(this.id);
    this.people.value = new Map([...(view?.participants.values() ?? [])].map(({ user }) => [user.id, user]));
  }

  async #backstage(): Promise<string | undefined> {
    try {
      const { id } = (await this.client.rest("GET", `/rooms/${this.id}/backstage`)) as RoomState;
      if (this.#closed) return undefined;
      this.back.value = id;
      this.outgoing.backstage(id);
      await followedOf(this.client).follow(id);
      return id;
    } catch {
      this.back.value = undefined;
      return undefined; // the conversation is there without its notes
    }
  }

  async #case(id: string | undefined): Promise<void> {
    if (id === undefined) return;
    try {
      this.#take((await this.client.rest("GET", `/cases/${id}`)) as CaseRow);
    } catch {
      // its frames will tell
    }
  }

  #take(row: CaseRow): void {
    const before = this.case.value?.id === row.id ? this.case.value : undefined;
    if (this.#closed || (before && before.version > row.version)) return;
    this.case.value = before ? { ...before, ...row } : row;
    this.touch();
  }

  async #ask(what: "all" | "before" | "after", work: () => Promise<void>): Promise<void> {
    const turn = this.#asking.then(async () => {
      if (this.#closed) return;
      this.loading.value = what;
      try {
        await work();
      } finally {
        this.loading.value = undefined;
        this.#takeUp();
      }
    });
    this.#asking = turn.catch(() => undefined);
    return turn;
  }
}
