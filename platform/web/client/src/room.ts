/**
 * One room as one client knows it: frames in, events out, no I/O.
 *
 * The view keeps the two things the protocol asks for: a *position* per room and a *version* per record. Whatever is
 * lost, doubled or overtaken on the way, records merge by the greater `changed_seq`, the position moves by the
 * protocol's rule alone, and each new message is told once. Asking the server for what is missing is left to
 * {@link Following}: it looks at {@link RoomView.behind}.
 */

import type { Events, Told } from "./events.ts";
import type { Changes, Delta, Message, OwnCaseFrame, Participant, Receipt, RoomState, Subscribed, TypingFrame } from "./generated.ts";
import type { DurableFrame } from "./incoming.ts";
import { Moment } from "./moment.ts";

type Page = Subscribed | Changes;
type Taking = [changedSeq: number, take: () => Told | undefined];

/** A room's records, as of `position`. Read it freely; only the client writes. */
export class RoomView {
  readonly id: string;
  state: RoomState | undefined;
  epoch: string | undefined;
  position: number | undefined;
  floor = 0;
  /** From this `seq` on messages are complete; older ones are here only if they changed or were asked for. */
  oldest = 0;
  readonly messages = new Map<string, Message>();
  readonly participants = new Map<string, Participant>();
  participantCount = 0;
  readonly reads = new Map<string, [read: number, delivered: number]>();
  ownCase: OwnCaseFrame | undefined;
  live = false;
  /** Everything up to it has been told: a message born above it is new, even when a later page brings it. */
  settled = 0;

  readonly #moment: Moment;
  #highest = 0; // the greatest number heard of since the last request
  readonly #told = new Set<number>(); // births above `settled` that were told, or are about to be
  // New messages found while catching up, by id. Pages are in the order of changes: one that was written early and
  // edited late comes late. So they are told together, in the order of their births, when the room is live.
  readonly #held = new Set<string>();
  #before: { settled: number; known: Set<string> } | undefined; // what was known when a reset came
  #loading: { again: boolean } | undefined; // a fresh load is under way; `again`: after a reset

  constructor(id: string, now: () => number) {
    this.id = id;
    this.#moment = new Moment(id, now);
  }

  /** The messages by `seq`: what a screen shows. */
  ordered(): Message[] {
    return [...this.messages.values()].sort((one, other) => one.seq - other.seq);
  }

  /** Users who write at this moment. */
  typing(): string[] {
    return this.#moment.typing();
  }

  /** What the bot has streamed of answers that are not stored yet, by turn. */
  writing(): Map<string, string> {
    return this.#moment.writing();
  }

  get ownerVersion(): number {
    return this.state?.owner_version ?? 0;
  }

  /** Whether a number above the position was heard of that no page has brought. */
  get behind(): boolean {
    return this.#highest > (this.position ?? 0);
  }

  /** A subscribe goes out: what was heard before it, its answer will bring. */
  asking(): void {
    this.#highest = 0;
    this.live = false;
  }

  /** The room's number is at least `seq`. */
  heardOf(seq: number): void {
    this.#highest = Math.max(this.#highest, seq);
  }

  /** The subscription is over; the next page is the room afresh. */
  reset(): void {
    if (this.position !== undefined && !this.#loading) {
      const known = [...this.messages.keys()].filter((id) => !this.#held.has(id));
      this.#before = { settled: this.settled, known: new Set(known) };
    }
    this.live = false;
    this.epoch = this.position = undefined;
  }

  /** The connection is gone, and with it all that is of the moment. */
  lost(): void {
    this.live = false;
    if (this.position === undefined) this.#loading = undefined;
    this.#moment.forget();
  }

  /** Take a page. Changes are told in their order; new messages with the last page, by `seq`. */
  page(frame: Page): Told[] {
    if (frame.type === "changes" && !this.#joins(frame)) return [];
    let reached = frame.seq;
    if (frame.type === "subscribed") {
      this.participantCount = frame.participant_count;
      if (frame.recovered && this.position !== undefined && frame.epoch === this.epoch) {
        reached = Math.max(reached, this.position); // a live frame may have been quicker than the page
      } else {
        this.#begin();
      }
    }
    this.epoch = frame.epoch;
    const told: Told[] = [];
    for (const take of this.#byChange(frame)) {
      const step = take();
      if (step && !this.#loading) told.push(step);
    }
    this.position = reached;
    if (this.#purge(frame.floor) && !this.#loading) {
      told.push({ name: "purged", event: { room: this.id, floor: frame.floor } });
    }
    for (const [user, [read, delivered]] of Object.entries(frame.reads ?? {})) this.#read(user, read, delivered);
    if (!frame.more) told.push(...this.#caughtUp());
    return [...told, ...this.#moment.voided(this.ownerVersion)];
  }

  /** Take a live frame. One that is not the next only raises {@link behind}. */
  durable(frame: DurableFrame): Told[] {
    if (this.position === undefined || frame.seq > this.position + 1) {
      // The answer to the next subscribe brings this record in its turn; telling it now would tell it before
      // the ones that are missing.
      this.heardOf(frame.seq);
      return [];
    }
    const step =
      frame.type === "message"
        ? this.#message(frame.message)
        : frame.type === "participant"
          ? this.#participant(frame.participant)
          : frame.type === "room"
            ? this.#room(frame.state)
            : undefined;
    if (frame.seq === this.position + 1) {
      this.position = frame.seq;
      if (this.live) this.#settle();
    }
    return [...(step ? [step] : []), ...this.#moment.voided(this.ownerVersion)];
  }

  /**
   * Take a message that came as an answer (ack, history, REST): it moves no position. One born above the position
   * is left for its own frame, which comes in order.
   */
  learn(message: Message): Told[] {
    if (message.room !== this.id || this.position === undefined || message.seq > this.position) return [];
    const known = this.messages.has(message.id);
    const step = this.#message(message);
    return step && known ? [step] : [];
  }

  /** Older messages were asked for, and join what is here. */
  reachesBackTo(seq: number): void {
    this.oldest = Math.min(this.oldest, seq);
  }

  /** Forget messages below `seq` that nobody shows any more; a change of one is told without what was before. */
  forgetBelow(seq: number): void {
    for (const message of this.messages.values()) {
      if (message.seq < seq && !this.#held.has(message.id)) this.messages.delete(message.id);
    }
    this.oldest = Math.max(this.oldest, Math.min(seq, (this.position ?? 0) + 1));
  }

  typed(frame: TypingFrame): Told[] {
    return this.#moment.typed(frame);
  }

  delta(frame: Delta): Told[] {
    return this.#moment.delta(frame, this.ownerVersion);
  }

  receipt(frame: Receipt): Told[] {
    if (!this.#read(frame.user, frame.read_seq, frame.delivered_seq)) return [];
    const [readSeq, deliveredSeq] = this.reads.get(frame.user) ?? [0, 0];
    return [{ name: "read", event: { room: this.id, user: frame.user, readSeq, deliveredSeq } }];
  }

  /** The room afresh: what was here is forgotten, but for what tells new messages from known ones. */
  #begin(): void {
    this.reset();
    this.#loading = { again: this.#before !== undefined };
    this.messages.clear();
    this.participants.clear();
    this.reads.clear();
    this.#told.clear();
    this.#held.clear();
    this.state = undefined;
    this.floor = 0;
  }

  /** Whether a page of changes follows on what is here. */
  #joins(frame: Changes): boolean {
    if (this.position === undefined || frame.epoch !== this.epoch || frame.since > this.position) {
      this.heardOf(frame.seq);
      return false;
    }
    // A page that ends where we stand is old news, unless it is the empty last one we wait for.
    return frame.seq > this.position || (frame.seq === frame.since && frame.seq === this.position && !this.live);
  }

  /** What takes each record of a page, in the order of their changes. */
  #byChange(frame: Page): (() => Told | undefined)[] {
    const takes: Taking[] = [
      ...frame.messages.map((one): Taking => [one.changed_seq, () => this.#message(one)]),
      ...frame.participants.map((one): Taking => [one.changed_seq, () => this.#participant(one)]),
    ];
    const { state } = frame;
    if (state) takes.push([state.changed_seq, () => this.#room(state)]);
    return takes.sort(([one], [other]) => one - other).map(([, take]) => take);
  }

  #purge(floor: number): boolean {
    if (floor <= this.floor) return false;
    this.floor = floor;
    const purged = [...this.messages.values()].filter((message) => message.seq < floor);
    for (const message of purged) this.messages.delete(message.id);
    return purged.length > 0;
  }

  #caughtUp(): Told[] {
    const told: Told[] = [];
    if (this.#loading) {
      const { again } = this.#loading;
      const { settled, known } = this.#before ?? { settled: 0, known: new Set<string>() };
      this.#loading = this.#before = undefined;
      this.oldest = this.ordered()[0]?.seq ?? (this.position ?? 0) + 1;
      told.push({ name: "loaded", event: { room: this.id, again, gap: again && this.oldest > settled + 1 } });
      if (again) {
        const fresh = this.ordered().filter((message) => message.seq > settled && !known.has(message.id));
        told.push(...fresh.map((message): Told => ({ name: "message", event: { room: this.id, message } })));
      }
    }
    const held = this.ordered().filter((message) => this.#held.has(message.id));
    told.push(...held.map((message): Told => ({ name: "message", event: { room: this.id, message } })));
    this.#held.clear();
    this.#settle();
    this.live = true;
    return told;
  }

  /** Everything up to the position has been told. */
  #settle(): void {
    this.settled = this.position ?? 0;
    this.#told.clear();
  }

  #message(message: Message): Told | undefined {
    if (message.seq < this.floor) return undefined;
    const before = this.messages.get(message.id);
    if (before && before.changed_seq >= message.changed_seq) return undefined;
    this.messages.set(message.id, message);
    this.#moment.stored(message);
    if (!before && message.seq > this.settled && !this.#told.has(message.seq)) {
      this.#told.add(message.seq);
      if (this.live) return { name: "message", event: { room: this.id, message } };
      if (!this.#loading) this.#held.add(message.id);
      return undefined;
    }
    if (this.#held.has(message.id)) return undefined; // it will be told as new, in the state it has then
    const event: Events["changed"] = { room: this.id, message };
    if (before) event.before = before;
    return { name: "changed", event };
  }

  #participant(participant: Participant): Told | undefined {
    const before = this.participants.get(participant.user.id);
    if (before && before.changed_seq >= participant.changed_seq) return undefined;
    this.participants.set(participant.user.id, participant);
    const event: Events["participant"] = { room: this.id, participant };
    if (before) event.before = before;
    return { name: "participant", event };
  }

  #room(state: RoomState): Told | undefined {
    const before = this.state;
    if (before && before.changed_seq >= state.changed_seq) return undefined;
    this.state = state;
    const event: Events["room"] = { room: this.id, state };
    if (before) event.before = before;
    return { name: "room", event };
  }

  #read(user: string, read: number, delivered: number): boolean {
    const [readBefore, deliveredBefore] = this.reads.get(user) ?? [0, 0];
    this.reads.set(user, [Math.max(readBefore, read), Math.max(deliveredBefore, delivered)]);
    return read > readBefore || delivered > deliveredBefore;
  }
}
