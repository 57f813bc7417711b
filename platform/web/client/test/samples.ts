/** Records and frames for tests: whole, and different only in what a test says. */

import type { Changes, Message, MessageFrame, Subscribed } from "../src/index.ts";

export const ROOM = "r-1";

export function message(seq: number, fields: Partial<Message> = {}): Message {
  return {
    id: `m-${seq}`,
    room: ROOM,
    seq,
    changed_seq: seq,
    client_id: `c-${seq}`,
    sender: { id: "u-1", kind: "member", name: "Ana", avatar: null },
    kind: "text",
    content: `text ${seq}`,
    created_at: "2026-11-21T10:00:00.000Z",
    metadata: {},
    attachments: [],
    reply_to: null,
    thread: null,
    thread_count: 0,
    mentions: [],
    reactions: [],
    pinned: false,
    edited_at: null,
    deleted: false,
    ...fields,
  };
}

/** As `message`, changed since: the frame of the change has number `at`. */
export function edited(seq: number, at: number, content = `text ${seq}, put better`): Message {
  return message(seq, { changed_seq: at, content });
}

export function frame(of: Message): MessageFrame {
  return { type: "message", room: of.room, seq: of.changed_seq, message: of };
}

export function subscribed(seq: number, messages: Message[], fields: Partial<Subscribed> = {}): Subscribed {
  return {
    type: "subscribed", room: ROOM, epoch: "e-1", seq, floor: 0, recovered: false, messages, participants: [],
    participant_count: 0, more: false, ...fields,
  };
}

export function changes(since: number, seq: number, messages: Message[], fields: Partial<Changes> = {}): Changes {
  return { type: "changes", room: ROOM, epoch: "e-1", since, seq, floor: 0, messages, participants: [], more: false, ...fields };
}
