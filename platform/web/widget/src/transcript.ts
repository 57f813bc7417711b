/** A conversation as a plain text file, made here from its history. */

import type { Client, Message } from "@deskbell/client";
import type { Texts } from "@deskbell/ui/texts.ts";
import type { Session } from "./session.ts";
import type { Key } from "./texts/en.ts";

const PAGE = 100;
const MOST_PAGES = 100;

/** All messages of a room, oldest first. */
export async function historyOf(client: Client, room: string): Promise<Message[]> {
  let all: Message[] = [];
  let before: number | undefined;
  for (let page = 0; page < MOST_PAGES; page++) {
    const found = await client.history(room, before === undefined ? { limit: PAGE } : { limit: PAGE, before });
    all = [...found.messages, ...all];
    const first = found.messages[0];
    if (!found.more_before || !first) break;
    before = first.seq;
  }
  return all;
}

/** How a conversation is read. */
export type Reading = Pick<typeof import("./conversation.tsx"), "eventLine" | "read" | "said">;

/** Line by line, without its marks. */
function unmarked(text: string, { read, said }: Reading): string {
  const blocks = read(text).map((block) => {
    if (block.is === "code") return block.text;
    if (block.is === "list") return block.items.map((item, at) => `${block.ordered ? `${block.start + at}.` : "•"} ${said(item)}`).join("\n");
    return block.is === "quote" ? said(block.inside).replace(/^/gm, "> ") : said(block.inside);
  });
  return blocks.join("\n");
}

/** One line for who and when, then what they said. */
export function transcriptOf(messages: readonly Message[], site: string, texts: Texts<Key>, reading: Reading): string {
  const language = texts.language.value;
  const moment = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
  const lines = [texts.t("transcriptOf", { site }), ""];
  for (const message of messages) {
    const { sender, created_at, content, deleted, kind } = message;
    const said = deleted ? texts.t("removed") : kind === "system" ? reading.eventLine(message) : unmarked(content, reading);
    const at = moment.format(new Date(created_at));
    lines.push(kind === "system" ? `${at}  – ${said}` : `${at}  ${sender.name}\n${said}`, "");
  }
  return lines.join("\n");
}

/** Fetch the whole conversation and hand it over as a file. */
export async function giveTranscript(session: Session, room: string): Promise<void> {
  const site = session.site.value?.name ?? "";
  const { eventLine, read, said } = await import("./conversation.tsx");
  const messages = await historyOf(session.client, room);
  download(`${site || "chat"} ${new Date().toISOString().slice(0, 10)}.txt`, transcriptOf(messages, site, session.texts, { eventLine, read, said }));
}

function download(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob(["\uFEFF", text], { type: "text/plain;charset=utf-8" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => {
    URL.revokeObjectURL(url);
  }, 60_000);
}
