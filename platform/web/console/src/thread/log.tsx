/**
 * The messages: a list that stays where one reads, loads on at both ends, and leads to the present. New words of the
 * visitor are said once in a live region; the list itself is silent, since rows come and go with scrolling.
 */

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import * as draw from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { plain } from "@deskbell/ui/markup.ts";
import { Rich } from "@deskbell/ui/rich.tsx";
import { day } from "@deskbell/ui/times.ts";
import { Stretch } from "@deskbell/ui/stretch.ts";
import { Virtual, type VirtualList } from "@deskbell/ui/virtual.tsx";
import { t, texts } from "../words.ts";
import { Card } from "./card.tsx";
import { Events } from "./events.tsx";
import { Face } from "./face.tsx";
import { Bubble, Note } from "./message.tsx";
import { Reading } from "./reading.ts";
import { isOurs, type Row } from "./rows.ts";
import type { Talk } from "./talk.ts";
import { StaleRow } from "./stale-row.tsx";
import { Typing } from "./typing.tsx";
import { WaitingRow } from "./waiting-row.tsx";

const NEAR_END_PX = 600;
const MARKED_MS = 2_400;

export function Log({ talk }: { talk: Talk }): JSX.Element {
  const { conversation } = talk;
  const [list, setList] = useState<VirtualList | null>(null);
  const rows = conversation.rows.value;
  const more = conversation.more.value;
  const reading = useRef<Reading | undefined>(undefined);
  useEffect(() => {
    if (!list) return;
    const read = new Reading(talk, list);
    reading.current = read;
    return () => {
      read.stop();
    };
  }, [list]);
  useEffect(() => (list?.element ? loadsOn(list.element, talk) : undefined), [list]);
  useTarget(talk, list);
  const name = conversation.visitor.value?.name ?? "";
  return (
    <div class="log-frame" onKeyDown={step}>
      <Virtual
        class="log"
        rows={rows}
        keyOf={keyOf}
        stretch={stretch}
        draw={(row) => <Drawn row={row} talk={talk} />}
        moves={moves}
        hold={setList}
        follow={!more.after}
        onStart={() => {
          if (conversation.more.peek().before && conversation.loading.peek() === undefined) void conversation.before().catch(() => undefined);
        }}
        label={t("thread.log", { name })}
        before={<p class="ev first">{more.before ? t("thread.loading") : rows.length > 0 ? t("thread.beginning") : ""}</p>}
        after={more.after ? <p class="ev more-after">{t("thread.loading")}</p> : <Typing talk={talk} />}
      />
      {list && <ToEnd talk={talk} list={list} reading={reading} />}
      <Announced talk={talk} />
    </div>
  );
}

/** Arrow keys go from message to message; what one can do with each is then a Tab away. */
function step(event: KeyboardEvent): void {
  const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  const from = event.target as HTMLElement;
  if (!by || event.altKey || event.ctrlKey || event.metaKey || from.closest("textarea, input, [role=menu], dialog")) return;
  const all = [...(event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>("article[data-message]")];
  const now = from.closest<HTMLElement>("article[data-message]");
  const next = now ? all[all.indexOf(now) + by] : all.at(-1);
  if (!next) return;
  event.preventDefault();
  event.stopPropagation();
  next.focus();
}

function keyOf(row: Row): string {
  return row.key;
}

function moves({ kind }: Row): boolean {
  return kind === "day" || kind === "new" || kind === "card" || kind === "events";
}

/** About how high a row is before it was drawn: lines of some sixty letters. */
function estimate(row: Row): number {
  if (row.kind === "message" || row.kind === "note") return 46 + 20 * Math.min(30, Math.ceil(row.message.content.length / 60));
  if (row.kind === "writing") return 46 + 20 * Math.ceil(row.text.length / 60);
  return row.kind === "card" ? 220 : 36;
}

function stretch(): Stretch<Row> {
  return new Stretch(keyOf, estimate);
}

function Drawn({ row, talk }: { row: Row; talk: Talk }): JSX.Element | null {
  switch (row.kind) {
    case "day":
      return <p class="ev day"><time dateTime={row.at}>{day(row.at, texts.language.value)}</time></p>;
    case "new":
      return <p class="since" role="separator" aria-label={t("thread.since")}>{t("thread.since")}</p>;
    case "message":
      return <Bubble row={row} talk={talk} />;
    case "note":
      return <Note message={row.message} talk={talk} />;
    case "events":
      return <Events messages={row.messages} talk={talk} />;
    case "card":
      return <Card talk={talk} />;
    case "waiting":
      return <WaitingRow waiting={row.waiting} talk={talk} />;
    case "stale":
      return <StaleRow all={row.all} talk={talk} />;
    case "writing":
      return (
        <div class="msg us bot starts" data-turn={row.turn}>
          <Face user={{ id: "", kind: "bot", name: "", avatar: null }} />
          <div class="col">
            <div class="bub" dir="auto"><Rich text={row.text} tail={<span class="caret" />} /></div>
            <div class="meta">{t("thread.writing")}</div>
          </div>
        </div>
      );
  }
}

/** Newer pages come when their end is near; the list itself asks for older ones. */
function loadsOn(element: HTMLElement, talk: Talk): () => void {
  const { conversation } = talk;
  const look = (): void => {
    const left = element.scrollHeight - element.scrollTop - element.clientHeight;
    if (left > NEAR_END_PX || !conversation.more.peek().after || conversation.loading.peek() !== undefined) return;
    void conversation.after().catch(() => undefined);
  };
  element.addEventListener("scroll", look, { passive: true });
  const off = conversation.rows.subscribe(() => {
    requestAnimationFrame(look);
  });
  return () => {
    element.removeEventListener("scroll", look);
    off();
  };
}

/** Bring what was asked for into view, mark it for a moment, and give it the focus. */
function useTarget(talk: Talk, list: VirtualList | null): void {
  const target = talk.conversation.target.value;
  useEffect(() => {
    if (!target || !list) return;
    let tries = 0;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const lead = (): void => {
      const there = list.toKey(target.key);
      const row = there ? list.rowOf(target.key) : undefined;
      if (!row && tries++ < 20) {
        timer = setTimeout(lead, 50);
        return;
      }
      row?.classList.add("marked");
      // Who is still typing what to look for goes on typing.
      if (!document.activeElement?.closest("search")) row?.querySelector<HTMLElement>("[data-message]")?.focus({ preventScroll: true });
      timer = setTimeout(() => { row?.classList.remove("marked"); }, MARKED_MS);
    };
    lead();
    return () => {
      clearTimeout(timer);
      list.rowOf(target.key)?.classList.remove("marked");
    };
  }, [target?.turn, list]);
}

function ToEnd({ talk, list, reading }: { talk: Talk; list: VirtualList; reading: { current: Reading | undefined } }): JSX.Element | null {
  const { conversation } = talk;
  const away = !list.atEnd.value || conversation.more.value.after;
  const unseen = reading.current?.unseen.value ?? 0;
  if (!away) return null;
  return (
    <button
      type="button"
      class="to-end"
      aria-label={unseen > 0 ? t("thread.to-end.n", { n: unseen }) : t("thread.to-end")}
      onClick={() => {
        void conversation.newest().then(() => { list.toEnd(); }, () => undefined);
      }}
    >
      {unseen > 0 && <b class="num">{unseen}</b>}
      <Icon of={draw.down} size={16} />
    </button>
  );
}

/** What the visitor says while one is here, once, for whoever listens to the page instead of seeing it. */
function Announced({ talk }: { talk: Talk }): JSX.Element {
  const [said, setSaid] = useState("");
  useEffect(
    () =>
      talk.conversation.client.on("message", ({ room, message }) => {
        if (room !== talk.room || message.sender.id === talk.conversation.me) return;
        if (!isOurs(message) || message.sender.kind === "bot") setSaid(`${message.sender.name}: ${plain(message.content).slice(0, 300)}`);
      }),
    [talk],
  );
  return <p class="unseen" aria-live="polite">{said}</p>;
}
