/** Who answers in a conversation now, as the visitor sees it. */

import type { Message, OwnCaseFrame, RoomState } from "@deskbell/client";
import { endOf } from "@deskbell/ui/ending.ts";

export type OwnerKind = "bot" | "waiting" | "person" | "closed";

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
