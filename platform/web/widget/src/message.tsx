/** One message: who says it, what, and how far it has come. */

import type { ComponentChildren, JSX } from "preact";
import { lock } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { Rich } from "@deskbell/ui/rich.tsx";
import { moment, timeOfDay } from "@deskbell/ui/times.ts";
import { type MessageRow as Row, reached } from "@deskbell/ui/timeline.ts";
import type { Message } from "@deskbell/client";
import { eventLine } from "./events.ts";
import { Face } from "./face.tsx";
import { AnswerFoot, Card, Quote, Reactions, Tools } from "./later.tsx";
import type { Session } from "./session.ts";
import type { Talk } from "./talk.ts";
import { words } from "./words.ts";

export type Voice = "bot" | "human" | "me";

/** Who is heard: what the platform says to the visitor, it says as the assistant. */
export function voiceOf({ sender, kind }: Message, mine: boolean): Voice {
  if (mine) return "me";
  return kind === "system" || sender.kind === "bot" || sender.kind === "system" ? "bot" : "human";
}

export function nameOf(message: Message, session: Session): string {
  const assistant = session.site.value?.assistant.name;
  if (message.sender.kind === "bot") return message.sender.name;
  return message.kind === "system" ? assistant || words.t("speakerBot") : message.sender.name;
}

export function MessageRow({ row, talk }: { row: Row; talk: Talk }): JSX.Element {
  const { message, mine, first, last } = row;
  const { session } = talk;
  const language = words.language.value;
  const voice = voiceOf(message, mine);
  const name = mine ? words.t("speakerYou") : nameOf(message, session);
  const time = timeOfDay(message.created_at, language);
  return (
    <article class={`msg ${voice}${first ? " first" : ""}${last ? " last" : ""}`} aria-label={words.t("saidBy", { name, time })}>
      {first && !mine && (
        <By voice={voice} name={name} avatar={message.sender.avatar} desk={session.desk}>
          <time dateTime={message.created_at} title={moment(message.created_at, language)}>{time}</time>
        </By>
      )}
      <div class="say">
        <div class="bubble">
          {message.reply_to !== null && !message.deleted && <Quote id={message.reply_to} talk={talk} />}
          <Body message={message} session={session} />
        </div>
        {!message.deleted && message.kind !== "system" && <Tools message={message} mine={mine} talk={talk} />}
      </div>
      {!message.deleted && <Reactions message={message} talk={talk} />}
      {!message.deleted && voice === "bot" && message.kind !== "system" && <AnswerFoot message={message} talk={talk} />}
      {(last || message.edited_at !== null) && (mine || message.edited_at !== null) && !message.deleted && (
        <p class="meta">
          {mine && <time dateTime={message.created_at} title={moment(message.created_at, language)}>{time}</time>}
          {message.edited_at !== null && <span>{words.t("edited")}</span>}
          {mine && last && <Standing message={message} talk={talk} />}
        </p>
      )}
    </article>
  );
}

interface ByProps {
  voice: Voice;
  name: string;
  avatar?: string | null;
  /** The desk's address. */
  desk: string;
  children?: ComponentChildren;
}

/** Who speaks, and when. */
export function By({ voice, name, avatar, desk, children }: ByProps): JSX.Element {
  return (
    <p class="by">
      <Face of={voice === "bot" ? "bot" : "person"} name={name} avatar={avatar} desk={desk} small />
      <b><bdi>{name}</bdi></b>
      {children}
    </p>
  );
}

const MOST_SOURCES = 12;

/** What an answer says it was taken from, as it came; `sources.ts` reads it. */
export function sourceList({ metadata }: Message): unknown[] {
  const found = metadata["sources"];
  return Array.isArray(found) ? found.slice(0, MOST_SOURCES) : [];
}

function Body({ message, session }: { message: Message; session: Session }): JSX.Element {
  if (message.deleted) return <p class="gone">{words.t(message.sender.id === session.me.value?.id ? "goneMine" : "gone")}</p>;
  if (message.kind === "card") return <Card message={message} />;
  if (message.content === "") return <p class="gone"><Icon of={lock} size={13} /> {words.t("notShown")}</p>;
  return <Rich text={message.kind === "system" ? eventLine(message) : message.content} sources={sourceList(message).length} />;
}

/** How far a message of one's own has come. */
function Standing({ message, talk }: { message: Message; talk: Talk }): JSX.Element {
  // A bot keeps no marks: what it has answered, it has read.
  const answered = talk.rows.value.some((row) => row.is === "message" && voiceOf(row.message, row.mine) === "bot" && row.message.seq > message.seq);
  const standing = answered ? "seen" : reached(message, talk.reads());
  return <span>{words.t(standing === "seen" ? "stateSeen" : standing === "delivered" ? "stateDelivered" : "stateSent")}</span>;
}
