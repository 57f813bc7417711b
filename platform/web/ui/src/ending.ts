/** When a conversation is over, for both sides of the counter. */

import type { Message } from "@deskbell/client";

const ENDINGS = new Set(["case_resolved", "ended_by_visitor", "room_closed"]);

/** The event that ended the conversation, unless something was said since: a word of its visitor opens it again. */
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
