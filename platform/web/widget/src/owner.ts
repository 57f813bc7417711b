/** Who answers in a conversation now, as the visitor sees it. */

import type { Message, OwnCaseFrame, RoomState } from "@deskbell/client";

export type OwnerKind = "bot" | "waiting" | "person" | "closed";

const ENDINGS = new Set(["case_resolved", "ended_by_visitor", "room_closed"]);

/**
 * The owner. A conversation is `closed` when it has ended and its visitor has not written since: a word of theirs
 * opens it again.
 */
export function ownerOf(state: RoomState | undefined, messages: Iterable<Message>, ownCase: OwnCaseFrame | undefined): OwnerKind {
  if (endOf(messages)) return "closed";
  switch (state?.owner?.kind) {
    case "agent":
      return "person";
    case "nobody":
      return ownCase?.status === "resolved" ? "bot" : "waiting";
    default:
      return "bot";
  }
}

/** The event that ended the conversation, unless something was said since. */
export function endOf(messages: Iterable<Message>): Message | undefined {
  let end: Message | undefined;
  let said = 0;
  for (const message of messages) {
    const event = message.metadata["event"];
    if (message.kind === "system" && typeof event === "string" && ENDINGS.has(event)) {
      if (!end || message.seq > end.seq) end = message;
    } else if (message.kind === "system" ? event === "case_opened" || event === "case_reopened" : true) {
      said = Math.max(said, message.seq);
    }
  }
  return end && end.seq > said ? end : undefined;
}
