/** Which key sends, and a message that leaves only if it answers what its author has seen. */

import type { Message, PublicUser } from "@deskbell/client";
import { isComposing } from "@deskbell/ui/composing.ts";
import type { Preferences } from "../preferences.ts";
import { known } from "../acts.ts";
import type { Conversation } from "../thread/conversation.ts";
import { mentionedIn } from "./prompts.ts";

const TRIES = 5;
const CAUGHT_UP_MS = 400;

/** Whether this key press sends. While an input method is composing, Enter belongs to it. */
export function sends(event: KeyboardEvent, key: Preferences["sendKey"]): boolean {
  if (event.key !== "Enter" || isComposing(event) || event.shiftKey || event.altKey) return false;
  return key === "enter" || event.ctrlKey || event.metaKey;
}

/** How the room stood when one began to write. */
export interface Begun {
  seq: number;
  ownerVersion: number;
}

export interface Reply {
  text: string;
  replyTo?: Message | undefined;
  begun?: Begun | undefined;
  /** It was kept as a draft on the server, which is over with it. */
  draft: boolean;
}

/** Who wrote since one began, so that a reply may miss the point. */
export function stale(conversation: Conversation, begun: Begun | undefined): PublicUser | undefined {
  return begun && conversation.wroteAfter(begun.seq);
}

/**
 * Send a reply. The server stores it only while nobody else has written since this page last looked, whatever is on
 * its way before it: so of several replies written offline all are held back, or none. Where something moved that
 * no person said, it is sent again. Resolves when it is stored or held; a refusal is in the conversation's rows.
 */
export async function sendReply(conversation: Conversation, reply: Reply): Promise<boolean> {
  const { outgoing, id: room } = conversation;
  const clientId = outgoing.id();
  for (let attempt = 1; ; attempt++) {
    const position = conversation.position;
    const expect = { owner_version: ownerVersion(conversation), seq: position }; // one's own messages are no surprise
    try {
      await outgoing.send(room, reply.text, { clientId, expect, draft: reply.draft, reply_to: reply.replyTo?.id ?? null });
      return true;
    } catch (thrown) {
      if (known(thrown).code !== "expectation_failed" || attempt === TRIES) return false;
      await caughtUp(conversation, position);
      if (stale(conversation, { seq: reply.begun?.seq ?? position, ownerVersion: 0 })) return false;
      if (ownerVersion(conversation) !== expect.owner_version) return false;
    }
  }
}

/** Write a private note. It goes to the room backstage, which the visitor is never in. */
export async function sendNote(
  conversation: Conversation,
  note: { text: string; replyTo?: Message | undefined; people: readonly { id: string; name: string }[]; draft: boolean },
): Promise<boolean> {
  const back = conversation.back.value;
  if (back === undefined) return false;
  const mentions = mentionedIn(note.text, note.people);
  try {
    await conversation.outgoing.send(back, note.text, { draft: note.draft, reply_to: note.replyTo?.id ?? null, ...(mentions.length > 0 ? { mentions } : {}) });
    return true;
  } catch {
    return false;
  }
}

function ownerVersion(conversation: Conversation): number {
  return conversation.state.value?.owner_version ?? 0;
}

/** Until this page has heard what moved the room, or a moment has passed. */
async function caughtUp(conversation: Conversation, position: number): Promise<void> {
  for (let waited = 0; waited < CAUGHT_UP_MS && conversation.position <= position; waited += 40) {
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}
