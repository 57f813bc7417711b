/** Look for words in this conversation and its notes: what was found is marked, and one goes from one to the next. */

import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Message } from "@deskbell/client";
import { isComposing } from "@deskbell/ui/composing.ts";
import * as draw from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { fieldDir } from "@deskbell/ui/texts.ts";
import { t } from "../words.ts";
import { anchorOf } from "./rows.ts";
import type { Talk } from "./talk.ts";

const PAUSE_MS = 250;
const AT_ONCE = 100;

interface Found {
  results: { message: Message; snippet?: { text: string; marks: [start: number, length: number][] } }[];
}

export function Find({ talk }: { talk: Talk }): JSX.Element {
  const { conversation, desk } = talk;
  const [q, setQ] = useState("");
  const [found, setFound] = useState<Message[] | undefined>(undefined);
  const [words, setWords] = useState<readonly string[]>([]);
  const [at, setAt] = useState(-1);
  const field = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => { field.current?.focus(); }, []);
  useEffect(() => {
    setFound(undefined);
    setAt(-1);
    if (!/[\p{L}\p{N}]/u.test(q)) {
      setWords([]);
      return;
    }
    let gone = false;
    const look = async (): Promise<void> => {
      const rooms = [conversation.id, conversation.back.value].filter((room) => room !== undefined);
      const asked = rooms.map(async (room) => {
        const query = new URLSearchParams({ q, room, limit: String(AT_ONCE) });
        return (await desk.rest("GET", `/search?${query.toString()}`)) as Found;
      });
      const answers = await Promise.all(asked.map((one) => one.catch((): Found => ({ results: [] }))));
      if (gone) return;
      const results = answers.flatMap((answer) => answer.results);
      const place = ({ message }: Found["results"][number]): number => (message.room === conversation.id ? message.seq : anchorOf(message) + 0.5);
      results.sort((one, other) => place(other) - place(one));
      setWords([...new Set(results.flatMap(({ snippet }) => markedWords(snippet)))]);
      setFound(results.map(({ message }) => message));
      setAt(results.length > 0 ? 0 : -1);
    };
    const timer = setTimeout(() => { void look(); }, PAUSE_MS);
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [q]);
  const here = found?.[at];
  useEffect(() => {
    if (!here) return;
    conversation.goTo(here.id).catch(() => undefined);
  }, [here?.id]);
  useEffect(() => mark(words, conversation.rows), [words]);
  const close = (): void => {
    talk.finding.value = false;
    talk.focus.value++;
  };
  const step = (by: number): void => {
    if (found && found.length > 0) setAt((at + by + found.length) % found.length);
  };
  return (
    <search class="find-bar">
      <Icon of={draw.search} size={16} />
      <input
        ref={field}
        type="search"
        dir={fieldDir(q)}
        aria-label={t("thread.find")}
        placeholder={t("thread.find")}
        value={q}
        onInput={(event) => { setQ(event.currentTarget.value); }}
        onKeyDown={(event) => {
          event.stopPropagation();
          if (isComposing(event)) return;
          if (event.key === "Escape") close();
          else if (event.key === "Enter") step(event.shiftKey ? -1 : 1);
          else return;
          event.preventDefault();
        }}
      />
      <span class="num muted" role="status">
        {found && (found.length === 0 ? t("thread.find.none", { q }) : t("thread.find.at", { at: at + 1, n: found.length }))}
      </span>
      <button type="button" class="ib" aria-label={t("thread.find.older")} disabled={!found?.length} onClick={() => { step(1); }}><Icon of={draw.up} size={16} /></button>
      <button type="button" class="ib" aria-label={t("thread.find.newer")} disabled={!found?.length} onClick={() => { step(-1); }}><Icon of={draw.down} size={16} /></button>
      <button type="button" class="ib" aria-label={t("thread.close")} onClick={close}><Icon of={draw.x} size={16} /></button>
    </search>
  );
}

/** The words that were found, as they stand in the text. Marks count code points. */
export function markedWords(snippet: Found["results"][number]["snippet"]): string[] {
  if (!snippet) return [];
  const letters = Array.from(snippet.text);
  return snippet.marks.map(([start, length]) => letters.slice(start, start + length).join("").toLocaleLowerCase());
}

/** Mark words in what is shown, without touching the page: the browser paints ranges. */
function mark(words: readonly string[], rows: { subscribe: (listener: () => void) => () => void }): () => void {
  if (!("highlights" in CSS) || words.length === 0) return () => undefined;
  const paint = (): void => {
    const ranges: Range[] = [];
    for (const box of document.querySelectorAll(".log .bub")) {
      const walker = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
      for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const text = (node.nodeValue ?? "").toLocaleLowerCase();
        if (text.length !== node.nodeValue?.length) continue; // letters whose lower case is longer
        for (const word of words) {
          for (let from = text.indexOf(word); from >= 0 && word; from = text.indexOf(word, from + word.length)) {
            const range = new Range();
            range.setStart(node, from);
            range.setEnd(node, from + word.length);
            ranges.push(range);
          }
        }
      }
    }
    CSS.highlights.set("found", new Highlight(...ranges));
  };
  let asked = 0;
  const later = (): void => {
    cancelAnimationFrame(asked);
    asked = requestAnimationFrame(() => { requestAnimationFrame(paint); });
  };
  later();
  const off = rows.subscribe(later);
  const log = document.querySelector(".log");
  log?.addEventListener("scroll", later, { passive: true });
  return () => {
    off();
    cancelAnimationFrame(asked);
    log?.removeEventListener("scroll", later);
    CSS.highlights.delete("found");
  };
}
