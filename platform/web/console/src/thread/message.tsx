/** One thing somebody said: the visitor at the start side, we at the end side, backstage across the whole width. */

import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import type { Message } from "@deskbell/client";
import * as draw from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { plain } from "@deskbell/ui/markup.ts";
import { Rich } from "@deskbell/ui/rich.tsx";
import { moment } from "@deskbell/ui/times.ts";
import { clockTime } from "../screens/parts/moments.ts";
import { t, texts } from "../words.ts";
import { piecesOf } from "../composer/prompts.ts";
import { EditField } from "./edit-field.tsx";
import { Face } from "./face.tsx";
import { type Reach, type Row } from "./rows.ts";
import { Sources } from "./sources.tsx";
import type { Talk } from "./talk.ts";
import { Tools } from "./tools.tsx";

type Said = Extract<Row, { kind: "message" }>;

export function Bubble({ row, talk }: { row: Said; talk: Talk }): JSX.Element {
  const { message, starts, ends, reach } = row;
  const { kind } = message.sender;
  const ours = kind !== "visitor";
  const mine = message.sender.id === talk.conversation.me;
  const side = ours ? `us ${kind === "bot" ? "bot" : "me"}` : "them";
  const editing = talk.editing.value?.id === message.id;
  const [tools, attributes] = useTools(message, talk);
  const who = kind === "bot" ? t("thread.owner.bot") : mine ? t("thread.owner.me") : message.sender.name;
  const time = clockTime(message.created_at, texts.language.value);
  const meta = ends || message.edited_at !== null || message.pinned || reach === "read";
  return (
    <article
      class={`msg ${side} ${starts ? "starts" : ""}`}
      aria-label={t("thread.said", { name: message.sender.name, time })}
      data-message={message.id}
      {...attributes}
    >
      {ends ? <Face user={message.sender} /> : <span class="no-face" />}
      <div class="col">
        <Quote message={message} talk={talk} />
        {editing ? (
          <EditField message={message} talk={talk} />
        ) : (
          <div class={`bub ${message.deleted ? "gone" : ""}`} dir="auto">
            {message.deleted ? t("thread.deleted") : <Content message={message} />}
          </div>
        )}
        {!message.deleted && <Reactions message={message} talk={talk} />}
        {meta && (
          <div class="meta">
            {ours && !mine && <span dir="auto">{who}</span>}
            <time dateTime={message.created_at} title={moment(message.created_at, texts.language.value)}>{time}</time>
            {message.pinned && <span class="state"><Icon of={draw.pin} size={13} />{t("thread.pinned")}</span>}
            <Edited message={message} talk={talk} />
            {reach && <Reached reach={reach} />}
            {!message.deleted && <Sources message={message} />}
            {message.metadata["turn"] !== undefined && !message.deleted && (
              <button type="button" class="src" onClick={() => { talk.asking.value = { kind: "trace", message }; }}>{t("thread.why")}</button>
            )}
          </div>
        )}
        {tools && !editing && <Tools message={message} talk={talk} />}
      </div>
    </article>
  );
}

export function Note({ message, talk }: { message: Message; talk: Talk }): JSX.Element {
  const [tools, attributes] = useTools(message, talk);
  const time = clockTime(message.created_at, texts.language.value);
  const mine = message.sender.id === talk.conversation.me;
  const editing = talk.editing.value?.id === message.id;
  return (
    <article
      class="note"
      aria-label={t("thread.noted", { name: message.sender.name, time })}
      data-message={message.id}
      {...attributes}
    >
      <p class="k">
        <Icon of={draw.lock} size={13} />
        {t("thread.private")}
        <span dir="auto">
          {mine ? t("thread.owner.me") : message.sender.name}, <time dateTime={message.created_at} title={moment(message.created_at, texts.language.value)}>{time}</time>
        </span>
        {message.pinned && <Icon of={draw.pin} size={13} />}
        <Edited message={message} talk={talk} />
      </p>
      <Quote message={message} talk={talk} />
      {editing ? (
        <EditField message={message} talk={talk} />
      ) : (
        <div class={message.deleted ? "gone" : "bub"} dir="auto">{message.deleted ? t("thread.deleted") : <Content message={message} names={talk.desk.agents.value.map(({ user }) => user.name)} />}</div>
      )}
      {!message.deleted && <Reactions message={message} talk={talk} />}
      {tools && !editing && <Tools message={message} talk={talk} />}
    </article>
  );
}

function Content({ message, names }: { message: Message; names?: readonly string[] }): JSX.Element {
  const sources = message.metadata["sources"];
  return <Rich text={message.content} sources={Array.isArray(sources) ? sources.length : 0} mark={names && ((text) => mentionsOf(text, names))} />;
}

/** The colleagues a note names, told from the words around them. */
function mentionsOf(text: string, names: readonly string[]): ComponentChildren {
  return piecesOf(text, names).map((piece, at) => (at % 2 ? <b class="named">{piece}</b> : piece));
}

interface Pointed {
  tabIndex: number;
  onPointerEnter: () => void;
  onPointerLeave: () => void;
  onFocusIn: () => void;
  onFocusOut: (event: FocusEvent) => void;
}

/** Tools are in the page only for the message that is pointed at, or holds the focus. */
function useTools(message: Message, talk: Talk): [boolean, Pointed] {
  const [at, setAt] = useState({ pointer: false, focus: false });
  const out = (event: FocusEvent): void => {
    const still = event.currentTarget instanceof Element && event.relatedTarget instanceof Node && event.currentTarget.contains(event.relatedTarget);
    if (!still) setAt((now) => ({ ...now, focus: false }));
  };
  const attributes = {
    tabIndex: -1,
    onPointerEnter: () => { setAt((now) => ({ ...now, pointer: true })); },
    onPointerLeave: () => { setAt((now) => ({ ...now, pointer: false })); },
    onFocusIn: () => { setAt((now) => (now.focus ? now : { ...now, focus: true })); },
    onFocusOut: out,
  };
  return [(at.pointer || at.focus) && !message.deleted && talk.editing.value?.id !== message.id, attributes];
}

/** What a message answers, with the way there. */
function Quote({ message, talk }: { message: Message; talk: Talk }): JSX.Element | null {
  if (message.reply_to === null || message.deleted) return null;
  const id = message.reply_to;
  const { history } = talk.conversation;
  const found = [...history.front.messages, ...history.notes.messages].find((one) => one.id === id);
  const text = found ? (found.deleted ? t("thread.deleted") : plain(found.content)) : t("thread.quoted");
  return (
    <button type="button" class="quote" dir="auto" onClick={() => void talk.lead(id)}>
      <Icon of={draw.back} size={13} mirrors />
      <span class="cut">
        {found && <b>{found.sender.name} </b>}
        {text.slice(0, 200)}
      </span>
    </button>
  );
}

function Edited({ message, talk }: { message: Message; talk: Talk }): JSX.Element | null {
  if (message.edited_at === null || message.deleted) return null;
  return (
    <button type="button" class="src plain" onClick={() => { talk.asking.value = { kind: "revisions", message }; }}>
      {t("thread.edited")}
    </button>
  );
}

function Reactions({ message, talk }: { message: Message; talk: Talk }): JSX.Element | null {
  if (message.reactions.length === 0) return null;
  const { me } = talk.conversation;
  return (
    <div class="reactions">
      {message.reactions.map(({ emoji, count, users }) => {
        const mine = users.includes(me);
        const said = t("thread.reacted", { emoji, n: count });
        return (
          <button type="button" key={emoji} class={mine ? "mine" : ""} aria-pressed={mine} aria-label={said} onClick={() => void talk.react(message, emoji)}>
            {emoji} <span class="num">{count}</span>
          </button>
        );
      })}
    </div>
  );
}

function Reached({ reach }: { reach: Reach }): JSX.Element {
  return (
    <span class="state">
      <Icon of={reach === "sent" ? draw.check : draw.checks} size={13} />
      {t(`thread.reach.${reach}`)}
    </span>
  );
}
