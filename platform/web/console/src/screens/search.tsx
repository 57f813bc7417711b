/**
 * Search over the messages one may read. The address holds the words, so that a search can be kept and passed on. What
 * was found is drawn as text; a result opens its conversation at the message.
 */

import type { Message } from "@deskbell/client";
import { search as glass } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { fieldDir } from "@deskbell/ui/texts.ts";
import { nameOfUser } from "../visitors.ts";
import { t, texts } from "../words.ts";
import { go, goToRoom, place } from "../route.ts";
import { useRest } from "./rest.ts";
import { moment } from "./parts/moments.ts";
import { useLoaded } from "./parts/loaded.ts";
import { Empty, Page, Problem, Waiting } from "./parts/page.tsx";
import { Choice, Field } from "./parts/form.tsx";
import { pieces } from "./snippet.ts";
import "./search.css";

interface Found {
  message: Message;
  snippet: { text: string; marks: [number, number][]; more_before: boolean; more_after: boolean };
  rank: number;
  room: { id: string; name: string; channel_type: string };
}
interface Results {
  results: Found[];
  cursor: string | null;
  forgiving: boolean;
  complete: boolean;
}
interface Narrowed {
  room: string;
  sender: string;
  kind: string;
  after: string;
  before: string;
  attachment: string;
}

const WIDE: Narrowed = { room: "", sender: "", kind: "", after: "", before: "", attachment: "" };
const KINDS = ["text", "image", "voice", "video", "file", "card", "announcement"] as const;
const PAUSE_MS = 250;

/** The query string of one page; days are whole days of the reader's own calendar. */
export function queryOf(q: string, narrowed: Narrowed, cursor?: string): string {
  const query = new URLSearchParams({ q });
  if (narrowed.room) query.set("room", narrowed.room);
  if (narrowed.sender) query.set("sender", narrowed.sender);
  if (narrowed.kind) query.set("kind", narrowed.kind);
  if (narrowed.attachment) query.set("has_attachment", narrowed.attachment);
  if (narrowed.after) query.set("after", new Date(`${narrowed.after}T00:00:00`).toISOString());
  if (narrowed.before) query.set("before", new Date(new Date(`${narrowed.before}T00:00:00`).getTime() + 86_400_000).toISOString());
  if (cursor) query.set("cursor", cursor);
  return query.toString();
}

export function Search(): JSX.Element {
  const rest = useRest();
  const at = place.value;
  const q = at.screen === "search" ? at.q : "";
  const [typed, type] = useState(q);
  const [narrowed, narrow] = useState(WIDE);
  const field = useRef<HTMLInputElement>(null);
  const words = q.trim();

  useEffect(() => field.current?.focus(), []);
  useEffect(() => {
    if (q !== typed.trim()) type(q);
  }, [q]);
  useEffect(() => {
    const pause = setTimeout(() => {
      if (typed.trim() !== q && place.value.screen === "search") go({ screen: "search", q: typed.trim() }, { replace: true });
    }, PAUSE_MS);
    return () => {
      clearTimeout(pause);
    };
  }, [typed]);

  const found = useLoaded<Results | null>(
    () => (words ? rest<Results>("GET", `/search?${queryOf(words, narrowed)}`) : Promise.resolve(null)),
    [words, narrowed],
  );
  const [fetching, setFetching] = useState(false);
  const [failed, setFailed] = useState<unknown>();

  async function more(cursor: string): Promise<void> {
    setFetching(true);
    setFailed(undefined);
    try {
      const next = await rest<Results>("GET", `/search?${queryOf(words, narrowed, cursor)}`);
      found.put((was) => (was && was.cursor === cursor ? { ...next, forgiving: was.forgiving, results: [...was.results, ...next.results] } : was));
    } catch (thrown) {
      setFailed(thrown);
    } finally {
      setFetching(false);
    }
  }

  const set = (key: keyof Narrowed) => (value: string): void => {
    narrow((was) => ({ ...was, [key]: value }));
  };
  const results = found.value?.results ?? [];
  const rooms = new Map(results.map((one) => [one.room.id, one.room.name]));
  const senders = new Map(results.map((one) => [one.message.sender.id, one.message.sender.name]));
  const isNarrowed = JSON.stringify(narrowed) !== JSON.stringify(WIDE);

  return (
    <Page title={t("screens.search.title")} class="sr">
      <form
        class="sr-form"
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          go({ screen: "search", q: typed.trim() }, { replace: true });
        }}
      >
        <span class="sc-find">
          <Icon of={glass} size={16} />
          <input ref={field} class="field" type="search" dir={fieldDir(typed)} aria-label={t("screens.search.field")} placeholder={t("screens.search.field")} value={typed} maxLength={500} onInput={(event) => { type(event.currentTarget.value); }} />
        </span>
        <details class="sr-filters" open={isNarrowed}>
          <summary>{t("screens.search.narrow")}</summary>
          <div class="sc-pair">
            <Choice label={t("screens.search.room")} value={narrowed.room} set={set("room")} options={[["", t("screens.search.any")], ...named(rooms, narrowed.room)]} />
            <Choice label={t("screens.search.sender")} value={narrowed.sender} set={set("sender")} options={[["", t("screens.search.any")], ...named(senders, narrowed.sender)]} />
            <Choice label={t("screens.search.kind")} value={narrowed.kind} set={set("kind")} options={[["", t("screens.search.any")], ...KINDS.map((kind) => [kind, t(`screens.kind.${kind}`)] as const)]} />
            <Choice label={t("screens.search.attachments")} value={narrowed.attachment} set={set("attachment")} options={[["", t("screens.search.any")], ["true", t("screens.search.with")], ["false", t("screens.search.without")]]} />
            <Day label={t("screens.search.after")} value={narrowed.after} set={set("after")} />
            <Day label={t("screens.search.before")} value={narrowed.before} set={set("before")} />
          </div>
          {isNarrowed && (
            <button type="button" class="btn quiet sm" onClick={() => { narrow(WIDE); }}>
              {t("screens.search.widen")}
            </button>
          )}
        </details>
      </form>
      {found.error && <Problem error={found.error} again={found.again} />}
      {!words && <Empty title={t("screens.search.begin")}>{t("screens.search.how")}</Empty>}
      {words && found.slow && <Waiting lines={7} />}
      {found.value && (
        <>
          <p class="sr-note" role="status">
            {results.length > 0 && t(found.value.cursor ? "screens.search.first" : "screens.search.all", { n: results.length })}
            {found.value.forgiving && results.length > 0 && ` ${t("screens.search.forgiving", { words })}`}
            {!found.value.complete && ` ${t("screens.search.indexing")}`}
          </p>
          {results.length === 0 && !found.value.cursor && (
            <Empty title={t("screens.search.nothing", { words })}>{isNarrowed ? t("screens.search.fewer_narrow") : t("screens.search.fewer")}</Empty>
          )}
          <ul class="sr-found">
            {results.map((one) => (
              <li key={one.message.id}>
                <Result found={one} />
              </li>
            ))}
          </ul>
          {failed !== undefined && <Problem error={failed} />}
          {found.value.cursor && (
            <div class="sr-more">
              <button type="button" class="btn" disabled={fetching} onClick={() => void more(found.value?.cursor ?? "")}>
                {t("screens.more")}
              </button>
            </div>
          )}
        </>
      )}
    </Page>
  );
}

/** The people or rooms of the results, and the one that is chosen, also where it found nothing. */
function named(known: ReadonlyMap<string, string>, chosen: string): [string, string][] {
  const options = [...known].map(([id, name]): [string, string] => [id, name || t("screens.unnamed")]);
  return chosen && !known.has(chosen) ? [...options, [chosen, t("screens.search.chosen")]] : options;
}

function Day({ label, value, set }: { label: string; value: string; set: (value: string) => void }): JSX.Element {
  return <Field label={label}>{(own) => <input {...own} class="field" type="date" value={value} onChange={(event) => { set(event.currentTarget.value); }} />}</Field>;
}

function Result({ found: { message, snippet, room } }: { found: Found }): JSX.Element {
  return (
    <button type="button" class="sr-one" onClick={() => { goToRoom(room.id, { list: "all", message: message.id }); }}>
      <span class="sr-meta">
        <b dir="auto">{nameOfUser(message.sender)}</b>
        {room.name !== message.sender.name && <span dir="auto" class="cut">{room.name}</span>}
        <time dateTime={message.created_at}>{moment(message.created_at, texts.language.value)}</time>
      </span>
      <span class="sr-text" dir="auto">
        {snippet.more_before && "… "}
        {pieces(snippet.text, snippet.marks).map((piece, at) => (piece.marked ? <mark key={at}>{piece.text}</mark> : <span key={at}>{piece.text}</span>))}
        {snippet.more_after && " …"}
      </span>
    </button>
  );
}
