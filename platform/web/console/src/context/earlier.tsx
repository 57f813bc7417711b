/** Earlier conversations of the same person; each opens in place, and can be gone to. */

import type { Message } from "@deskbell/client";
import { down, right } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { plain } from "@deskbell/ui/markup.ts";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { goToRoom } from "../route.ts";
import { reasonWord } from "../reasons.ts";
import { useLoaded } from "../screens/parts/loaded.ts";
import { Shown } from "../screens/parts/page.tsx";
import { type Items, useRest } from "../screens/rest.ts";
import { t, texts } from "../words.ts";
import type { EarlierConversation } from "./shapes.ts";

const SHOWN = 8;

export function Earlier({ conversations, current }: { conversations: EarlierConversation[]; current: string }): JSX.Element {
  const [all, setAll] = useState(false);
  const sorted = [...conversations].sort((a, b) => b.opened_at.localeCompare(a.opened_at));
  return (
    <>
      <ul class="cx-past">
        {(all ? sorted : sorted.slice(0, SHOWN)).map((one) => <One key={`${one.room}${one.case ?? ""}`} one={one} current={current} />)}
      </ul>
      {!all && sorted.length > SHOWN && <button type="button" class="btn sm quiet" onClick={() => { setAll(true); }}>{t("screens.context.all_earlier", { n: sorted.length })}</button>}
    </>
  );
}

function One({ one, current }: { one: EarlierConversation; current: string }): JSX.Element {
  const [open, setOpen] = useState(false);
  const day = new Intl.DateTimeFormat(texts.language.value, { day: "numeric", month: "short" }).format(new Date(one.opened_at));
  const title = (one.last && plain(one.last.text)) || (one.reason ? reasonWord(one.reason) : t("screens.context.talk"));
  return (
    <li>
      <button type="button" class="cx-open" aria-expanded={open} onClick={() => { setOpen(!open); }}>
        <Icon of={open ? down : right} size={13} mirrors={!open} />
        <span class="cut" dir="auto">{title}</span>
        <small>{one.rating !== null && <span aria-label={t("screens.context.rating", { n: one.rating })}>{one.rating}/5 · </span>}{day}</small>
      </button>
      {open && <Inside one={one} current={current} />}
    </li>
  );
}

function Inside({ one, current }: { one: EarlierConversation; current: string }): JSX.Element {
  const rest = useRest();
  // Of one room the part that begins with this conversation.
  const from = one.room === current ? `&at=${encodeURIComponent(one.opened_at)}` : "";
  const said = useLoaded(async () => (await rest<Items<Message> & { messages?: Message[] }>("GET", `/rooms/${one.room}/messages?limit=20${from}`)), [one.room]);
  return (
    <div class="cx-inside">
      <Shown of={said} lines={3}>
        {({ messages, items }) => {
          const shown = (messages ?? items).filter((message) => !message.deleted && message.kind !== "system");
          return shown.length === 0 ? (
            <p class="sc-faint">{t("screens.context.no_messages")}</p>
          ) : (
            <ul>
              {shown.map((message) => (
                <li key={message.id}>
                  <b dir="auto">{message.sender.kind === "bot" ? t("screens.board.assistant") : message.sender.name}</b> <span dir="auto">{plain(message.content)}</span>
                </li>
              ))}
            </ul>
          );
        }}
      </Shown>
      {one.room !== current && <button type="button" class="btn sm" onClick={() => { goToRoom(one.room, { list: "all" }); }}>{t("screens.moderation.open")}</button>}
    </div>
  );
}
