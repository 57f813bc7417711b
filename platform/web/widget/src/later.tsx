/**
 * The parts of a conversation that are drawn when they are here. What stands at messages is fetched when the page has
 * nothing else to do, so that it is there before one reaches for it; the others when they are to be shown.
 */

import type { Message } from "@deskbell/client";
import type { StreamingRow, Unsent } from "@deskbell/ui/timeline.ts";
import type { VirtualList } from "@deskbell/ui/virtual.tsx";
import type { EmojiProps } from "./emoji.tsx";
import { atOnce, idle, lazy } from "./lazy.tsx";
import type { Why } from "./outgoing.ts";
import type { Session } from "./session.ts";
import type { Talk } from "./talk.ts";
import type { ToolsProps } from "./tools.tsx";

type Of = { message: Message; talk: Talk };
type Extras = typeof import("./extras.ts");

const extras = (): Promise<Extras> => import("./extras.ts");

const ended = async ({ session }: { session: Session }): Promise<Extras> => {
  const made = await extras();
  await made.teach(session.texts);
  return made;
};

export const About = lazy<Of>(async () => (await extras()).About, atOnce);
export const Tools = lazy<ToolsProps>(async () => (await extras()).Tools, idle);
export const AnswerFoot = lazy<Of>(async () => (await extras()).AnswerFoot, idle);
export const Reactions = lazy<Of>(async () => (await extras()).Reactions, idle);
export const Quote = lazy<{ id: string; talk: Talk }>(async () => (await extras()).Quote, idle);
export const Card = lazy<{ message: Message }>(async () => (await extras()).Card, atOnce);
export const Emoji = lazy<EmojiProps>(async () => (await extras()).Emoji, atOnce);
export const Failed = lazy<{ unsent: Unsent; talk: Talk }>(async () => (await extras()).Failed, atOnce);
export const Reason = lazy<{ why: Why }>(async () => (await extras()).Reason, atOnce);
export const Choices = lazy<{ talk: Talk }>(async () => (await extras()).Choices, idle);
export const Streaming = lazy<{ row: StreamingRow; talk: Talk }>(async () => (await extras()).Streaming, atOnce);
export const ToLatest = lazy<{ talk: Talk; list: VirtualList }>(async () => (await extras()).ToLatest, atOnce);
export const Typing = lazy<{ talk: Talk }>(async () => (await extras()).Typing, atOnce);
export const Waiting = lazy<{ talk: Talk }>(async () => (await extras()).Waiting, atOnce);
export const Ending = lazy<{ session: Session }>(async (own) => (await ended(own)).Ending, atOnce);
export const NewChat = lazy<{ session: Session }>(async (own) => (await ended(own)).NewChat, atOnce);
