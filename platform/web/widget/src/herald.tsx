/**
 * What a screen reader is told: each message of others once and whole, when it is stored, never while it is being
 * written; and the place in line, at most once a minute.
 */

import type { JSX } from "preact";
import { type Signal, signal, useSignalEffect } from "@preact/signals";
import type { Message } from "@deskbell/client";
import { plain } from "@deskbell/ui/markup.ts";
import { eventLine, isSpoken } from "./events.ts";
import { extraWords } from "./extra-words.ts";
import type { Talk } from "./talk.ts";
import { words } from "./words.ts";

const KEPT = 4;
const LONGEST = 600;
const PLACE_EVERY_MS = 60_000;

interface Announced {
  id: number;
  text: string;
}

const heralds = new WeakMap<Talk, Herald>();

/** The herald of a talk; it remembers what was told as long as the talk lives. */
export function heraldOf(talk: Talk): Herald {
  let herald = heralds.get(talk);
  if (!herald) heralds.set(talk, (herald = new Herald()));
  return herald;
}

/** What was said last, for the region that is read out. */
export function News({ talk }: { talk: Talk }): JSX.Element {
  const herald = heraldOf(talk);
  useSignalEffect(() => {
    const messages = talk.heard.value;
    for (const message of messages) herald.message(message);
    if (messages.length > 0) talk.heard.value = [];
  });
  return <>{herald.announced.value.map(({ id, text }) => <p key={id} dir="auto">{text}</p>)}</>;
}

class Herald {
  readonly announced: Signal<readonly Announced[]> = signal([]);
  #number = 0;
  #place: { text: string; at: number } | undefined;
  #later: ReturnType<typeof setTimeout> | undefined;

  message(message: Message): void {
    if (message.kind === "system" && !isSpoken(message)) {
      this.#say(eventLine(message));
      return;
    }
    const name = message.kind === "system" || message.sender.kind === "bot" ? words.t("speakerBot") : message.sender.name;
    this.#say(extraWords.t("announced", { name, text: plain(message.kind === "system" ? eventLine(message) : message.content) }));
  }

  /** The place in line, or that there is none. */
  placeIs(text: string | undefined): void {
    clearTimeout(this.#later);
    if (text === undefined) {
      this.#place = undefined;
      return;
    }
    if (text === this.#place?.text) return;
    const due = (this.#place?.at ?? -Infinity) + PLACE_EVERY_MS - Date.now();
    if (due > 0) {
      this.#later = setTimeout(() => {
        this.placeIs(text);
      }, due);
      return;
    }
    this.#place = { text, at: Date.now() };
    this.#say(text);
  }

  #say(text: string): void {
    const short = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
    this.announced.value = [...this.announced.peek().slice(1 - KEPT), { id: ++this.#number, text: short }];
  }
}
