/**
 * What a conversation can do without until its first message is read: the tools of a message, the foot of an answer,
 * what it answers, reactions, cards, quick replies, who writes and what, emoji, the waiting card and the end. One file,
 * fetched by `later.tsx`.
 */

import "./parts.ts";
import styles from "./extras.css?inline";
import { adopt } from "./sheets.ts";

adopt(styles);

export { About } from "./about.tsx";
export { AnswerFoot } from "./answer.tsx";
export { Card } from "./card.tsx";
export { Choices } from "./choices.tsx";
export { Emoji } from "./emoji.tsx";
export { Ending, NewChat } from "./ending.tsx";
export { Reason, Stopped } from "./failed.tsx";
export { teach } from "./opened-words.ts";
export { News } from "./herald.tsx";
export { Quote } from "./quote.tsx";
export { Reactions } from "./reactions.tsx";
export { Streaming } from "./streaming.tsx";
export { ToLatest } from "./to-latest.tsx";
export { Tools } from "./tools.tsx";
export { Typing } from "./typing.tsx";
export { Waiting } from "./waiting.tsx";
