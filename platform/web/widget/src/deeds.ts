/** What one does to messages, in the words of the later parts. What is refused is said above the composer. */

import type { Message } from "@deskbell/client";
import type { Unsent } from "@deskbell/ui/timeline.ts";
import type { Talk } from "./talk.ts";

/** Take a quick reply. */
export async function choose(talk: Talk, message: Message, choice: string): Promise<void> {
  talk.chosen.value = { message: message.id, choice };
  await talk.send(choice);
}

/** Send what was refused once more. */
export async function retry(talk: Talk, unsent: Unsent): Promise<void> {
  talk.outgoing.discard(unsent);
  await talk.send(unsent.content);
}

export function beginEdit(talk: Talk, message: Message): void {
  talk.replyTo.value = undefined;
  talk.editText.value = message.content;
  talk.editing.value = message;
}

export function remove({ outgoing, session }: Talk, message: Message): Promise<boolean> {
  return outgoing.tried(session.client.removeMessage(message.id));
}

/** React so, or not any more. */
export function toggle(talk: Talk, message: Message, emoji: string): Promise<boolean> {
  const { client } = talk.session;
  return talk.outgoing.tried(reacted(talk, message, emoji) ? client.unreact(message.id, emoji) : client.react(message.id, emoji));
}

export function reacted({ session }: Talk, { reactions }: Message, emoji: string): boolean {
  const me = session.me.value?.id;
  return me !== undefined && reactions.some((one) => one.emoji === emoji && one.users.includes(me));
}

/** Say how the answer was; of the two thumbs one is up. */
export async function thumb(talk: Talk, message: Message, emoji: string, other: string): Promise<void> {
  if (reacted(talk, message, other)) await toggle(talk, message, other);
  await toggle(talk, message, emoji);
}

/** End the answer that is being written. */
export async function stop({ outgoing, session }: Talk, turn: string): Promise<void> {
  const room = session.room.value;
  if (room !== undefined) await outgoing.tried(session.client.stop(room, turn));
}
