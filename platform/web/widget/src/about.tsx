/** What is written below: an answer to something, or other words for something. */

import type { JSX } from "preact";
import { x } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { plain } from "@deskbell/ui/markup.ts";
import type { Message } from "@deskbell/client";
import { nameOf } from "./message.tsx";
import { extraWords } from "./extra-words.ts";
import type { Talk } from "./talk.ts";
import { words } from "./words.ts";

export function About({ talk, message }: { talk: Talk; message: Message }): JSX.Element {
  const { session } = talk;
  const mine = message.sender.id === session.me.value?.id;
  const name = mine ? words.t("speakerYou") : nameOf(message, session);
  return (
    <div class="about">
      <p>
        <b>{talk.editing.value ? extraWords.t("editing") : extraWords.t("replyingTo", { name })}</b> <span dir="auto">{plain(message.content).slice(0, 140)}</span>
      </p>
      <button type="button" class="icon-btn" aria-label={extraWords.t("cancel")} onClick={() => { talk.editing.value = talk.replyTo.value = undefined; }}>
        <Icon of={x} size={16} />
      </button>
    </div>
  );
}
