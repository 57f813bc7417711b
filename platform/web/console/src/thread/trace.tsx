/** Why a message is what it is: by which door it came, what filters made of it, and for an answer what it rests on. */

import type { JSX } from "preact";
import type { Message } from "@deskbell/client";
import { book, check, shield } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { plain } from "@deskbell/ui/markup.ts";
import { moment } from "@deskbell/ui/times.ts";
import { type Key, t, texts } from "../words.ts";
import { Question } from "../parts/dialog.tsx";
import { useFound } from "./questions.tsx";
import { sourcesOf } from "./sources.tsx";
import type { Talk } from "./talk.ts";

interface Decision {
  filter: string;
  verdict: string;
  rule?: string;
  took_ms?: number;
}

interface Step {
  what: string;
  at: string;
  door: string;
  by: string | null;
  decisions?: Decision[];
  original?: string | null;
}

interface Found {
  steps?: Step[];
  turn?: string | null;
}

const WHAT: Readonly<Record<string, Key>> = {
  posted: "thread.trace.posted",
  approved: "thread.trace.approved",
  edited: "thread.trace.edited",
  deleted: "thread.trace.deleted",
};
const DOORS: Readonly<Record<string, Key>> = {
  socket: "thread.trace.socket",
  rest: "thread.trace.rest",
  plugin: "thread.trace.plugin",
  bot: "thread.trace.bot",
  platform: "thread.trace.platform",
};

export function Trace({ talk, message, onClose }: { talk: Talk; message: Message; onClose: () => void }): JSX.Element {
  const found: Found | undefined = useFound(talk, `/messages/${message.id}/trace`);
  const sources = sourcesOf(message);
  const name = (user: string | null): string =>
    user === null ? "" : (talk.desk.nameOf(user) ?? talk.conversation.people.value.get(user)?.name ?? (user === message.sender.id ? message.sender.name : ""));
  return (
    <Question title={t(message.sender.kind === "bot" ? "thread.trace.answer" : "thread.trace.title")} onClose={onClose}>
      <blockquote dir="auto">{plain(message.content).slice(0, 200)}</blockquote>
      {found && !found.steps && <p class="muted">{t("thread.trace.none")}</p>}
      <ol class="trace">
        {found?.steps?.map((step, at) => (
          <li class="step" key={at}>
            <span class="k"><Icon of={check} size={13} /></span>
            <b>{WHAT[step.what] ? t(WHAT[step.what] as Key) : step.what}</b>
            <time dateTime={step.at}>{moment(step.at, texts.language.value)}</time>
            <p dir="auto">{[DOORS[step.door] ? t(DOORS[step.door] as Key) : step.door, name(step.by)].filter(Boolean).join(" · ")}</p>
            {step.original != null && <p dir="auto">{t("thread.trace.original", { text: step.original.slice(0, 300) })}</p>}
            {step.decisions?.map((one) => (
              <p key={one.filter} class="num" dir="auto">
                <Icon of={shield} size={13} /> {[one.filter, one.verdict, one.rule].filter(Boolean).join(" · ")}
              </p>
            ))}
          </li>
        ))}
        {sources.length > 0 && (
          <li class="step">
            <span class="k"><Icon of={book} size={13} /></span>
            <b>{t("thread.trace.sources", { n: sources.length })}</b>
            <p dir="auto">{sources.map((source) => source.title).join(", ")}</p>
          </li>
        )}
      </ol>
      {found?.turn != null && <p class="faint num">{t("thread.trace.turn", { turn: found.turn })}</p>}
    </Question>
  );
}
