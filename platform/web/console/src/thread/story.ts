/** What a conversation holds at this moment, as the story its rows are made of. */

import type { Conversation } from "./conversation.ts";
import { cardPlace, type Story } from "./rows.ts";

export function storyOf(conversation: Conversation): Story {
  const { front, notes } = conversation.history;
  const { client, id, outgoing } = conversation;
  const view = client.rooms.get(id);
  const back = conversation.back.peek();
  const visitor = conversation.visitor.peek();
  const shown = visitor !== undefined && view?.state?.policy["receipts"] !== "off";
  const [read, delivered] = (visitor && view?.reads.get(visitor.id)) ?? [0, 0];
  const leftAt = conversation.leftAt.peek();
  return {
    messages: front.messages,
    notes: notes.messages,
    me: conversation.me,
    moreBefore: front.moreBefore,
    moreAfter: front.moreAfter,
    // Where the first new message is not here yet, nobody knows which it is.
    leftAt: front.moreBefore && leftAt !== undefined && leftAt < front.first ? undefined : leftAt,
    visitor: shown ? { read, delivered } : undefined,
    writing: view?.writing() ?? new Map<string, string>(),
    waiting: [...outgoing.of(id), ...(back === undefined ? [] : outgoing.of(back))],
    card: cardPlace(conversation.case.peek(), front.messages),
  };
}
