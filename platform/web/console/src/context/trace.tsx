/**
 * How a message came to be what it is: the steps as the server tells them. Of the message the address names, else the
 * last one; one can walk to the others.
 */

import type { Message } from "@deskbell/client";
import { check, left, right, x } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { place } from "../route.ts";
import { useGathered, useLoaded } from "../screens/parts/loaded.ts";
import { clockTime, took } from "../screens/parts/moments.ts";
import { Empty, Problem, Shown } from "../screens/parts/page.tsx";
import { useRest } from "../screens/rest.ts";
import { useDesk } from "../use-desk.ts";
import { t, texts } from "../words.ts";
import { webAddress } from "./shapes.ts";

interface Decision {
  filter: string;
  plugin: string;
  version: string;
  verdict: "rewrite" | "hold" | "block";
  rule: string;
  took_ms: number;
}
interface Step {
  what: string;
  at: string;
  door: string;
  by: string | null;
  decisions: Decision[];
  original: string | null;
}
interface Found {
  message: string;
  steps: Step[];
  turn: string | null;
}

const GATHER_MS = 600;

export function Trace({ room }: { room: string }): JSX.Element {
  const desk = useDesk();
  const rest = useRest();
  const [chosen, choose] = useState<string>();
  const at = place.value;
  const named = at.screen === "inbox" ? at.message : undefined;
  const list = useLoaded(async () => {
    const answer = await rest<{ messages?: Message[]; items?: Message[] }>("GET", `/rooms/${room}/messages?limit=50`);
    return (answer.messages ?? answer.items ?? []).filter((message) => message.kind !== "system");
  }, [room]);
  const soon = useGathered(list.again, GATHER_MS);
  useEffect(
    () =>
      desk.client.on("message", (event) => {
        if (event.room === room) soon();
      }),
    [room],
  );
  useEffect(() => {
    choose(named);
  }, [named]);
  const all = list.value ?? [];
  const index = chosen === undefined ? all.length - 1 : all.findIndex((message) => message.id === chosen);
  const message = all[index];
  const id = message?.id ?? chosen;

  if (list.error && !id) return <Problem error={list.error} again={list.again} />;
  if (!id) return <>{list.value && <Empty>{t("screens.trace.none")}</Empty>}</>;
  return (
    <div class="cx">
      <section class="cx-sec cx-why" aria-label={t("screens.trace.why")}>
        <h2>
          <span>{message?.sender.kind === "bot" ? t("screens.trace.why") : t("screens.trace.how")}</span>
          {message && <span class="cx-end num">{clockTime(message.created_at, texts.language.value)}</span>}
          <span class="cx-move">
            <button type="button" class="ib" disabled={index <= 0} aria-label={t("screens.trace.before")} onClick={() => { choose(all[index - 1]?.id); }}><Icon of={left} size={16} mirrors /></button>
            <button type="button" class="ib" disabled={index < 0 || index >= all.length - 1} aria-label={t("screens.trace.after")} onClick={() => { choose(all[index + 1]?.id); }}><Icon of={right} size={16} mirrors /></button>
          </span>
        </h2>
        {message && <p class="muted cx-three" dir="auto"><b dir="auto">{message.sender.name}</b> {message.deleted ? t("screens.moderation.deleted") : message.content}</p>}
      </section>
      <Steps id={id} message={message} />
    </div>
  );
}

function Steps({ id, message }: { id: string; message: Message | undefined }): JSX.Element {
  const rest = useRest();
  const found = useLoaded(() => rest<Found>("GET", `/messages/${id}/trace`), [id, message?.changed_seq]);
  return (
    <Shown of={found} lines={4}>
      {({ steps, turn }) => (
        <section class="cx-sec" aria-label={t("screens.trace.steps")}>
          <ol class="cx-steps">
            {steps.map((step, at) => <StepLine key={at} step={step} />)}
            <Sources message={message} />
          </ol>
          {turn && <p class="sc-faint">{t("screens.trace.turn")} <span class="sc-code">{turn}</span></p>}
        </section>
      )}
    </Shown>
  );
}

const WHATS = ["posted", "approved", "edited", "deleted"] as const;
const DOORS = ["socket", "rest", "plugin", "bot", "platform"] as const;

function StepLine({ step }: { step: Step }): JSX.Element {
  const desk = useDesk();
  const what = WHATS.find((one) => one === step.what);
  const door = DOORS.find((one) => one === step.door);
  const by = step.by ? desk.nameOf(step.by) : undefined;
  const language = texts.language.value;
  return (
    <>
      {step.decisions.map((decision, at) => (
        <li key={at} class={`cx-step ${decision.verdict === "rewrite" ? "" : "bad"}`}>
          <span class="k"><Icon of={decision.verdict === "rewrite" ? check : x} size={13} /></span>
          <b dir="auto">{t("screens.trace.filter", { filter: decision.filter })}</b>
          <time class="num">{took(decision.took_ms, language)}</time>
          <p dir="auto">{t(`screens.trace.${decision.verdict}`)}{decision.rule && `: ${decision.rule}`}</p>
          <p class="sc-faint" dir="auto">{decision.plugin} {decision.version}</p>
        </li>
      ))}
      <li class="cx-step">
        <span class="k"><Icon of={check} size={13} /></span>
        <b>{what ? t(`screens.trace.${what}`) : step.what}</b>
        <time class="num" dateTime={step.at}>{clockTime(step.at, language)}</time>
        <p dir="auto">{[door ? t(`screens.door.${door}`) : step.door, by].filter(Boolean).join(" · ")}</p>
        {step.original !== null && <p dir="auto">{t("screens.moderation.original")} <q>{step.original}</q></p>}
      </li>
    </>
  );
}

/** What an answer rests on, as its bot said. */
function Sources({ message }: { message: Message | undefined }): JSX.Element | null {
  const sources = message?.metadata["sources"];
  if (!Array.isArray(sources) || sources.length === 0) return null;
  const listed = sources as { title?: unknown; url?: unknown; score?: unknown }[];
  return (
    <li class="cx-step">
      <span class="k"><Icon of={check} size={13} /></span>
      <b>{t("screens.trace.sources", { n: listed.length })}</b>
      <time />
      <p>
        {listed.map((source, at) => {
          const address = webAddress(source.url);
          const title = typeof source.title === "string" && source.title ? source.title : (address ?? t("screens.unnamed"));
          return (
            <span key={at} dir="auto" class="cx-source">
              {address ? <a href={address} target="_blank" rel="noopener noreferrer nofollow">{title}</a> : title}
            </span>
          );
        })}
      </p>
    </li>
  );
}
