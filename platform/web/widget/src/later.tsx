/**
 * The parts of a conversation that are drawn when they are here. What stands at messages is fetched when the page has
 * nothing else to do, so that it is there before one reaches for it; the others when they are to be shown.
 */

import type { FunctionComponent } from "preact";
import { atOnce, idle, lazy, type Moment } from "@deskbell/ui/lazy.tsx";
import type { Session } from "./session.ts";

type Extras = typeof import("./extras.ts");
type Parts = Omit<Extras, "teach">;
type Own<Name extends keyof Parts> = Parameters<Parts[Name]>[0];

const extras = (): Promise<Extras> => import("./extras.ts");

function part<Name extends keyof Parts>(name: Name, moment: Moment = atOnce): FunctionComponent<Own<Name>> {
  return lazy<Own<Name>>(async () => (await extras())[name] as FunctionComponent<Own<Name>>, moment);
}

/** One that speaks the words of the end, too. */
function ended(name: "Ending" | "NewChat"): FunctionComponent<{ session: Session }> {
  return lazy<{ session: Session }>(async ({ session }) => {
    const made = await extras();
    await made.teach(session.texts);
    return made[name];
  });
}

export const About = part("About");
export const Tools = part("Tools", idle);
export const AnswerFoot = part("AnswerFoot", idle);
export const Reactions = part("Reactions", idle);
export const Quote = part("Quote", idle);
export const Card = part("Card");
export const Emoji = part("Emoji");
export const Reason = part("Reason");
export const Choices = part("Choices", idle);
export const News = part("News", idle);
export const Stopped = part("Stopped");
export const Streaming = part("Streaming");
export const ToLatest = part("ToLatest");
export const Typing = part("Typing");
export const Waiting = part("Waiting");
export const Ending = ended("Ending");
export const NewChat = ended("NewChat");
