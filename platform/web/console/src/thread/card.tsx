/**
 * The hand-over packet: why the bell rang, what is asked, what is known and what was tried. Brass while somebody
 * waits, paper once they are helped. All of it are words of visitors and bots, so all of it is text.
 */

import type { JSX } from "preact";
import type { Message } from "@deskbell/client";
import * as draw from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { plain } from "@deskbell/ui/markup.ts";
import { show } from "../overlays.ts";
import { Keys } from "../parts/keycaps.tsx";
import { reasonWord } from "../reasons.ts";
import type { CaseRow } from "../records.ts";
import { useDesk } from "../use-desk.ts";
import { t, texts } from "../words.ts";
import { clockTime } from "../screens/parts/moments.ts";
import { clock } from "./owner.ts";
import type { Talk } from "./talk.ts";

export function Card({ talk }: { talk: Talk }): JSX.Element | null {
  const desk = useDesk();
  const row = talk.conversation.case.value;
  if (!row) return null;
  const packet = packetOf(row);
  const rung = row.status === "waiting";
  const mine = talk.answering.value?.side === "me";
  const question = packet.question || askedSince(row.opened_at, talk.conversation.history.front.messages);
  return (
    <article class={rung ? "hand rung" : "hand"} aria-label={t("thread.handover")}>
      <header class="h">
        {rung && <span class="bell-mark"><Icon of={draw.bellRing} size={16} /></span>}
        <b>{t(rung ? "thread.rang" : "thread.handover")}</b>
        <span dir="auto">{reasonWord(row.reason)}</span>
        {rung ? <Wait row={row} now={desk.now.value} /> : packet.mood && <span class="end" dir="auto">{t("thread.mood", { mood: packet.mood })}</span>}
      </header>
      <div class="b">
        {question && <p class="q" dir="auto">{question}</p>}
        {packet.facts.length > 0 && (
          <dl>
            {packet.facts.map(([name, value]) => (
              <div key={name}>
                <dt dir="auto">{name}</dt>
                <dd dir="auto" title={value}>{value}</dd>
              </div>
            ))}
          </dl>
        )}
        {packet.tried.length > 0 && (
          <ul class="tried" aria-label={t("thread.tried")}>
            {packet.tried.map(({ message, text }) => (
              <li key={message}>
                <Icon of={draw.history} size={16} />
                <span class="cut" dir="auto">{plain(text) || t("thread.quoted")}</span>
                <button type="button" class="link num" aria-label={`${whenOf(talk, message)}: ${t("thread.lead", { text: plain(text).slice(0, 60) })}`} onClick={() => void talk.lead(message)}>
                  {whenOf(talk, message)}
                </button>
              </li>
            ))}
          </ul>
        )}
        {(rung || mine) && (
          <div class="acts">
            {rung ? (
              <button type="button" class="btn bell" onClick={() => void talk.takeOver()}>
                {t("thread.accept")} <span aria-hidden="true"><Keys command="case.claim" /></span>
              </button>
            ) : packet.at !== undefined ? (
              <button type="button" class="btn quiet" onClick={() => { if (packet.at) void talk.lead(packet.at); }}>
                <Icon of={draw.history} size={16} /> {t("thread.transcript")}
              </button>
            ) : <span />}
            {rung ? (
              <button type="button" class="btn" onClick={() => { show({ kind: "menu", page: "assign", cases: [row.id] }); }}>{t("thread.assign")}</button>
            ) : (
              <button type="button" class="btn" onClick={() => void desk.act.giveBack(row, "queue")}>{t("thread.to-queue")}</button>
            )}
            <button type="button" class="btn" onClick={() => void desk.act.giveBack(row, "bot")}>
              <Icon of={draw.bot} size={16} /> {t("thread.to-bot")}
            </button>
          </div>
        )}
      </div>
    </article>
  );
}

function Wait({ row, now }: { row: CaseRow; now: number }): JSX.Element {
  const since = Date.parse(row.waiting_since ?? row.opened_at);
  const target = row.target_at ? Date.parse(row.target_at) : undefined;
  const waited = clock(now - since);
  const late = target !== undefined && now > target;
  return (
    <span class={`end num ${late ? "late" : ""}`}>
      {typeof row.position === "number" && row.position > 0 && `${t("thread.position", { n: row.position })} · `}
      {target === undefined || target <= since ? waited : t("thread.wait-of", { waited, target: clock(target - since) })}
      {late && ` · ${t("thread.late")}`}
    </span>
  );
}

export interface Packet {
  question: string;
  /** The message it was asked in. */
  at: string | undefined;
  mood: string;
  facts: [name: string, value: string][];
  tried: { message: string; text: string }[];
}

/** The packet of a case, whatever a bot has put into it. */
export function packetOf(row: CaseRow): Packet {
  const raw = record(row.handover);
  const question = record(raw["question"]);
  const facts = Object.entries(record(raw["facts"])).flatMap(([name, value]): [string, string][] => {
    const written = typeof value === "string" ? value : value === null || value === undefined ? "" : JSON.stringify(value);
    return written ? [[name.replace(/_/g, " ").slice(0, 60), written.slice(0, 300)]] : [];
  });
  const isMood = ([name]: [string, string]): boolean => /^(mood|sentiment)$/i.test(name);
  return {
    question: plain(text(raw["summary"]) || text(question["text"])).slice(0, 500),
    at: text(question["message"]) || undefined,
    mood: facts.find(isMood)?.[1] ?? "",
    facts: facts.filter((fact) => row.status === "waiting" || !isMood(fact)).slice(0, 12),
    tried: (Array.isArray(raw["tried"]) ? raw["tried"] : []).flatMap((one: unknown) => {
      const message = text(record(one)["message"]);
      return message ? [{ message, text: text(record(one)["text"]).slice(0, 300) }] : [];
    }),
  };
}

/** What the visitor wrote first after they had asked for a person: who asks first has said nothing yet. */
export function askedSince(opened: string, messages: readonly Message[]): string {
  const asked = messages.find((one) => one.sender.kind === "visitor" && !one.deleted && one.kind !== "system" && Date.parse(one.created_at) >= Date.parse(opened));
  return plain(asked?.content ?? "").slice(0, 500);
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function whenOf(talk: Talk, id: string): string {
  const found = talk.conversation.history.front.messages.find((one) => one.id === id);
  return found ? clockTime(found.created_at, texts.language.value) : t("thread.show");
}
