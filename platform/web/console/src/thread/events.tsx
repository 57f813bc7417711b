/** What the platform did, one muted line; a run of it is folded behind its last line. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Message } from "@deskbell/client";
import { bell } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { clockTime } from "../screens/parts/moments.ts";
import { type Key, t, texts } from "../words.ts";
import type { Talk } from "./talk.ts";

/** Events that agents read in their own words; any other is told as the visitor was told. */
const WORDS: Readonly<Record<string, Key>> = {
  case_opened: "thread.event.case_opened",
  case_transferred: "thread.event.case_transferred",
  case_returned: "thread.event.case_returned",
  case_resolved: "thread.event.case_resolved",
  room_closed: "thread.event.room_closed",
};

export function Events({ messages, talk }: { messages: readonly Message[]; talk: Talk }): JSX.Element | null {
  const [open, setOpen] = useState(false);
  const last = messages.at(-1);
  if (!last) return null;
  const others = messages.length - 1;
  return (
    <div class="ev" data-message={last.id}>
      {open && messages.slice(0, -1).map((message) => <Line message={message} talk={talk} key={message.id} />)}
      <p>
        <Line message={last} talk={talk} />
        {others > 0 && (
          <>
            {" · "}
            <button type="button" aria-expanded={open} onClick={() => { setOpen(!open); }}>
              {open ? t("thread.fold") : t("thread.unfold", { n: others })}
            </button>
          </>
        )}
      </p>
    </div>
  );
}

function Line({ message, talk }: { message: Message; talk: Talk }): JSX.Element {
  const event = message.metadata["event"];
  const name = typeof event === "string" ? event : "";
  const time = clockTime(message.created_at, texts.language.value);
  const user = message.metadata["user"];
  let said = message.content;
  if (name === "agent_joined" && typeof user === "string") {
    const agent = talk.desk.nameOf(user) ?? talk.conversation.people.value.get(user)?.name ?? "";
    if (user === talk.conversation.me) said = t("thread.event.you_joined");
    else if (agent) said = t("thread.event.agent_joined", { name: agent });
  } else if (WORDS[name]) {
    said = t(WORDS[name]);
  }
  return (
    <span class="line" dir="auto">
      {name === "case_opened" && <Icon of={bell} size={13} />}
      {said} <time dateTime={message.created_at}>{time}</time>
    </span>
  );
}
