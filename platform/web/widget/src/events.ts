/** What the platform says in a conversation: in whose voice, and in which words. */

import type { Message } from "@deskbell/client";
import type { Session } from "./session.ts";
import { type Word, words } from "./words.ts";

/** Said to the visitor in the first person, so it stands as a message of the assistant. */
const SPOKEN = new Set(["case_opened", "still_waiting", "case_transferred", "case_returned", "call_back"]);

export function isSpoken({ metadata }: Message): boolean {
  return SPOKEN.has(String(metadata["event"]));
}

/** What the platform always says in the same words. What a bot or a rule has worded is left as it is. */
const LINES: Readonly<Record<string, Word>> = {
  agent_joined: "eventJoined",
  case_transferred: "eventTransferred",
  case_returned: "eventReturned",
  case_resolved: "eventSolved",
  case_merged: "eventMoved",
  case_merged_here: "eventMerged",
  back_to_bot: "eventBack",
  left_queue: "eventLeft",
  call_back: "eventLong",
  ended_by_visitor: "eventEnded",
  room_closed: "eventClosed",
};

/** The line of an event, in the reader's language where its facts are known. */
export function eventLine(message: Message, session: Session): string {
  const { event, user, keeps_place: kept } = message.metadata;
  const word = kept ? "eventNobodyFree" : LINES[String(event)];
  const name = typeof user === "string" ? session.participant(user)?.user.name : undefined;
  const line = word && words.t(word, name === undefined ? {} : { name: isolated(name) });
  return line === undefined || line.includes("{name}") ? message.content : line;
}

/** A name in a sentence: its direction does not turn what stands around it. */
export function isolated(name: string): string {
  return `\u2068${name.replace(/[\u202A-\u202E\u2066-\u2069\n\r]/g, "")}\u2069`;
}
