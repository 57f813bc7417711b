/**
 * What a client tells, by name. Whatever the network does, each `message` is told once and in the order of `seq`,
 * and `changed`, `participant` and `room` once for each state that is heard of, in the order of `changed_seq`. All
 * others are hints of the moment.
 */

import type { DeskbellError } from "./errors.ts";
import type { Ack, CaseEntry, ConversationsFrame, DraftFrame, HeldFrame, Limits, MentionFrame, Message, Notice, OwnCaseFrame, Participant, Presence, PublicUser, RoomState, Viewing } from "./generated.ts";
import type { InboxEntry } from "./inbox.ts";

export interface Events {
  /** A socket is being opened; `attempt` counts from 1 since the last one that stayed. */
  connecting: { attempt: number };
  /** The server has said welcome, at `serverTime` by its clock; `again`: there was a connection before. */
  live: { user: PublicUser; connection: string; limits: Limits; again: boolean; serverTime: string };
  /** The socket is gone, the next attempt starts in `inMs`. `code` is 1006 where none was given. */
  reconnecting: { inMs: number; code: number; reason: string };
  /** It is over; the client does not come back by itself. No `error`: it was closed here. */
  closed: { code: number; error?: DeskbellError };

  /** A room was loaded afresh; `again` after a reset, and then perhaps with a `gap` before what was loaded. */
  loaded: { room: string; again: boolean; gap: boolean };
  /** The room can no longer be followed: left, banned, deleted. */
  lost: { room: string; error: DeskbellError };
  /** A new message. */
  message: { room: string; message: Message };
  /** Edited, deleted, reacted to, pinned; `before` is what was known of it. */
  changed: { room: string; message: Message; before?: Message };
  /** Messages with `seq` below `floor` are gone. */
  purged: { room: string; floor: number };
  participant: { room: string; participant: Participant; before?: Participant };
  room: { room: string; state: RoomState; before?: RoomState };

  /** Somebody writes; it ends by itself after ten seconds, without another event. */
  typing: { room: string; user: string; on: boolean };
  /** The bot is writing; `text` is all of this turn so far. The stored message replaces it. */
  writing: { room: string; turn: string; text: string; done: boolean };
  /** What was streamed for this turn counts no more. */
  void: { room: string; turn: string };
  read: { room: string; user: string; readSeq: number; deliveredSeq: number };
  presence: Presence;
  case: { case: CaseEntry };
  /** For agents: something moved in the conversations the bot has; `bot`: how many they are, counted to 1,000. */
  conversations: ConversationsFrame;
  /** For agents: somebody named them in a note of a conversation (`room`). */
  mention: MentionFrame;
  /** For visitors: how their own case stands. */
  ownCase: OwnCaseFrame;
  inbox: { room: string; entry: InboxEntry | undefined };
  /** For agents: who looks at a conversation now. */
  viewing: Viewing;
  /** What oneself has begun to write, on another of one's pages; `draft` is null when it is over. */
  draft: DraftFrame;
  notice: Notice;

  /** A message of the outbox is committed, or held for a reviewer (`ack.held`). */
  sent: { room: string; clientId: string; ack: Ack };
  /** How it ended for a message that was held; not repeated after a break, `GET /rooms/{id}/held` tells it. */
  held: HeldFrame;
  /** A message of the outbox was refused for good. */
  notSent: { room: string; clientId: string; content: string; error: DeskbellError };
  /** A message waits in the outbox: the server asked to try again in `inMs`. */
  delayed: { room: string; clientId: string; inMs: number; error: DeskbellError };
  /** An error that answers no request. */
  problem: { error: DeskbellError };
}

export type Told = { [Name in keyof Events]: { name: Name; event: Events[Name] } }[keyof Events];
type Listener = (event: never) => void;

/** Who listens to what. A listener that throws does not keep others from hearing. */
export class Listeners {
  readonly #listeners = new Map<keyof Events, Set<Listener>>();

  on<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): () => void {
    let set = this.#listeners.get(name);
    if (!set) this.#listeners.set(name, (set = new Set()));
    // One function given twice is told twice, and each can be called off by itself.
    const own: Listener = (event: Events[Name]) => {
      listener(event);
    };
    set.add(own);
    return () => set.delete(own);
  }

  tell(told: Told): void {
    for (const listener of [...(this.#listeners.get(told.name) ?? [])]) {
      try {
        (listener as (event: unknown) => void)(told.event);
      } catch (thrown) {
        if (typeof reportError === "function") reportError(thrown);
        else console.error(thrown);
      }
    }
  }
}
