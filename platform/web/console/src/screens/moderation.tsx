/**
 * What waits for somebody's judgement: messages that a filter held back, and messages that somebody reported. The one
 * that is looked at can be decided with single keys; what colleagues decide goes away by itself.
 */

import { asError, type Message, type PublicUser } from "@deskbell/client";
import { check, shield, x } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { ComponentChildren, JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { goToRoom } from "../route.ts";
import { t, texts } from "../words.ts";
import { type Items, useRest } from "./rest.ts";
import { moment } from "./parts/moments.ts";
import { type Loaded, useLoaded, useWhileSeen } from "./parts/loaded.ts";
import { Empty, Page, Problem, Shown } from "./parts/page.tsx";
import { Tabs, useTab } from "./parts/tabs.tsx";
import "./moderation.css";

interface Held {
  id: string;
  room: string;
  sender: PublicUser;
  kind: string;
  content: string;
  original: string | null;
  rule: string;
  filter: string;
  created_at: string;
  decisions: { filter: string; plugin: string; version: string; verdict: string; rule: string; took_ms: number }[];
}
interface Report {
  id: string;
  room: string;
  message: Message | null;
  reporter: PublicUser;
  reason: string;
  comment: string;
  created_at: string;
}
const ASK_AGAIN_MS = 5000;

export function Moderation(): JSX.Element {
  const rest = useRest();
  const [tab, show] = useTab(["held", "reports"]);
  const held = useLoaded(() => rest<Items<Held>>("GET", "/moderation/held?limit=100"), []);
  const reports = useLoaded(() => rest<Items<Report>>("GET", "/moderation/reports?limit=100"), []);
  useWhileSeen(() => {
    void held.again();
    void reports.again();
  }, ASK_AGAIN_MS);
  const count = (of: { value: Items<unknown> | undefined }): string => (of.value ? `${of.value.items.length}${of.value.next_cursor ? "+" : ""}` : "");
  return (
    <Page title={t("screens.moderation.title")} class="mo">
      <Tabs
        label={t("screens.moderation.title")}
        tabs={[
          ["held", t("screens.moderation.held"), count(held)],
          ["reports", t("screens.moderation.reports"), count(reports)],
        ]}
        chosen={tab}
        choose={show}
      >
        <div class="sc-body">
          {tab === "held" ? (
            <Queue
              of={held}
              empty={t("screens.moderation.no_held")}
              draw={(one) => <HeldMessage held={one} />}
              room={(one) => one.room}
              yes={{ key: "a", word: t("screens.moderation.approve"), run: (one) => rest("POST", `/moderation/held/${one.id}/approve`, {}) }}
              no={{ key: "x", word: t("screens.moderation.reject"), run: (one) => rest("POST", `/moderation/held/${one.id}/reject`, {}) }}
            />
          ) : (
            <Queue
              of={reports}
              empty={t("screens.moderation.no_reports")}
              draw={(one) => <Reported report={one} />}
              room={(one) => one.room}
              message={(one) => one.message?.id}
              yes={{ key: "a", word: t("screens.moderation.resolve"), run: (one) => rest("POST", `/moderation/reports/${one.id}/resolve`, {}) }}
              no={{ key: "x", word: t("screens.moderation.dismiss"), run: (one) => rest("POST", `/moderation/reports/${one.id}/dismiss`, {}) }}
            />
          )}
        </div>
      </Tabs>
    </Page>
  );
}

interface Verdict<T> {
  key: string;
  word: string;
  run: (one: T) => Promise<unknown>;
}
interface QueueProps<T> {
  of: Loaded<Items<T>>;
  empty: string;
  draw: (one: T) => ComponentChildren;
  room: (one: T) => string;
  message?: (one: T) => string | undefined;
  yes: Verdict<T>;
  no: Verdict<T>;
}

function Queue<T extends { id: string }>({ of, empty, draw, room, message, yes, no }: QueueProps<T>): JSX.Element {
  const [deciding, decide] = useState<string>();
  const [failed, fail] = useState<Readonly<Record<string, unknown>>>({});
  const list = useRef<HTMLUListElement>(null);

  async function run(one: T, verdict: Verdict<T>): Promise<void> {
    if (deciding !== undefined) return;
    decide(one.id);
    const at = of.value?.items.findIndex((other) => other.id === one.id) ?? 0;
    try {
      await verdict.run(one);
      gone(one.id, at);
    } catch (thrown) {
      // A colleague was faster: then it is no longer here.
      if (["gone", "not_found"].includes(asError(thrown).code)) gone(one.id, at);
      else fail((was) => ({ ...was, [one.id]: thrown }));
    } finally {
      decide(undefined);
    }
  }

  function gone(id: string, at: number): void {
    const hadFocus = list.current?.contains(document.activeElement);
    of.put((page) => ({ ...page, items: page.items.filter((other) => other.id !== id) }));
    if (hadFocus) requestAnimationFrame(() => list.current?.querySelectorAll<HTMLElement>(":scope > li")[Math.max(0, at - (at > 0 && at >= (of.value?.items.length ?? 1) - 1 ? 1 : 0))]?.focus());
  }

  function pressed(event: KeyboardEvent, one: T): void {
    if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return;
    const rows = [...(list.current?.querySelectorAll<HTMLElement>(":scope > li") ?? [])];
    const at = rows.indexOf(event.currentTarget as HTMLElement);
    if (event.key === "ArrowDown" || event.key === "j") rows[at + 1]?.focus();
    else if (event.key === "ArrowUp" || event.key === "k") rows[at - 1]?.focus();
    else if (event.key === yes.key) void run(one, yes);
    else if (event.key === no.key) void run(one, no);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  return (
    <Shown of={of}>
      {({ items }) =>
        items.length === 0 ? (
          <Empty>{empty}</Empty>
        ) : (
          <>
            <p class="sc-faint mo-keys">{t("screens.moderation.keys", { yes: yes.key.toUpperCase(), no: no.key.toUpperCase() })}</p>
            <ul class="mo-list" ref={list}>
              {items.map((one) => (
                <li key={one.id} tabIndex={0} class="sc-card" onKeyDown={(event) => { pressed(event, one); }} aria-busy={deciding === one.id}>
                  {draw(one)}
                  {failed[one.id] !== undefined && <Problem error={failed[one.id]} />}
                  <div class="sc-acts">
                    <button type="button" class="btn quiet" onClick={() => { const at = message?.(one); goToRoom(room(one), { list: "all", ...(at ? { message: at } : {}) }); }}>
                      {t("screens.moderation.open")}
                    </button>
                    <button type="button" class="btn" disabled={deciding === one.id} onClick={() => void run(one, no)}>
                      <Icon of={x} size={16} /> {no.word}
                    </button>
                    <button type="button" class="btn ink" disabled={deciding === one.id} onClick={() => void run(one, yes)}>
                      <Icon of={check} size={16} /> {yes.word}
                    </button>
                  </div>
                </li>
              ))}
            </ul>
          </>
        )
      }
    </Shown>
  );
}

function HeldMessage({ held }: { held: Held }): JSX.Element {
  return (
    <>
      <p class="mo-who">
        <b dir="auto">{held.sender.name}</b>
        <time class="sc-faint num" dateTime={held.created_at}>{moment(held.created_at, texts.language.value)}</time>
      </p>
      <blockquote class="mo-text" dir="auto">{held.content}</blockquote>
      {held.original !== null && (
        <p class="muted" dir="auto">
          {t("screens.moderation.original")} <q>{held.original}</q>
        </p>
      )}
      <p class="mo-why">
        <Icon of={shield} size={16} />
        <span dir="auto">{held.rule ? t("screens.moderation.rule", { filter: held.filter || "–", rule: held.rule }) : t("screens.moderation.filter", { filter: held.filter || "–" })}</span>
      </p>
    </>
  );
}

function Reported({ report }: { report: Report }): JSX.Element {
  const { message } = report;
  return (
    <>
      <p class="mo-who">
        <b dir="auto">{message?.sender.name ?? t("screens.moderation.purged")}</b>
        {message && <time class="sc-faint num" dateTime={message.created_at}>{moment(message.created_at, texts.language.value)}</time>}
      </p>
      {message && (
        <blockquote class="mo-text" dir="auto">
          {message.deleted ? t("screens.moderation.deleted") : message.content}
        </blockquote>
      )}
      <p class="mo-why">
        <Icon of={shield} size={16} />
        <span dir="auto">{t("screens.moderation.reported", { who: report.reporter.name, reason: report.reason })}</span>
      </p>
      {report.comment && <p class="muted" dir="auto">{report.comment}</p>}
    </>
  );
}
