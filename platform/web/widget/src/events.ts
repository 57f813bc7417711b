/** What the platform says in a conversation: in whose voice, and in which words. */

import type { Message } from "@deskbell/client";
import { isolated } from "@deskbell/ui/texts.ts";
import { type Word, words } from "./words.ts";

/** Said to the visitor in the first person, so it stands as a message of the assistant. */
const SPOKEN = new Set(["case_opened", "still_waiting", "case_transferred", "case_returned", "call_back"]);

export function isSpoken({ metadata }: Message): boolean {
  return SPOKEN.has(String(metadata["event"]));
}

/** What happened, in the reader's language. In English, and where a bot or a rule has worded it, that is what came. */
export function eventLine({ content, metadata: { event, words: ours, name, keeps_place: kept } }: Message): string {
  const called = typeof name === "string" ? name : "";
  const line = words.t(`event_${String(kept ? "nobody_free" : (ours ?? event))}` as Word, called ? { name: called } : {});
  if (line && !line.includes("{name}")) return line;
  return called ? content.replace(called, () => isolated(called)) : content;
}
