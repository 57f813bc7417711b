/** What the platform says in a conversation: in whose voice, and in which words. */

import type { Message } from "@deskbell/client";
import type { Session } from "./session.ts";
import { words } from "./words.ts";

/** Said to the visitor in the first person, so it stands as a message of the assistant. */
const SPOKEN = new Set(["case_opened", "still_waiting", "case_transferred", "case_returned", "call_back"]);

export function isSpoken({ metadata }: Message): boolean {
  return SPOKEN.has(String(metadata["event"]));
}

/** The line of an event, in the reader's language where its facts are known. */
export function eventLine(message: Message, session: Session): string {
  const { event, user } = message.metadata;
  const name = typeof user === "string" ? session.participant(user)?.user.name : undefined;
  if (event === "agent_joined" && name !== undefined) return words.t("eventJoined", { name: isolated(name) });
  if (event === "room_closed") return words.t("eventClosed");
  return message.content;
}

/** A name in a sentence: its direction does not turn what stands around it. */
export function isolated(name: string): string {
  return `\u2068${name.replace(/[\u202A-\u202E\u2066-\u2069\n\r]/g, "")}\u2069`;
}
