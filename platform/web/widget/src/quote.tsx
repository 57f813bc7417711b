/** What a message answers, in short; a press leads there. */

import type { JSX } from "preact";
import { back } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { plain } from "@deskbell/ui/markup.ts";
import { nameOf } from "./message.tsx";
import { extraWords } from "./extra-words.ts";
import type { Talk } from "./talk.ts";
import { words } from "./words.ts";

export function Quote({ id, talk }: { id: string; talk: Talk }): JSX.Element {
  const { session } = talk;
  const quoted = session.view.value?.messages.get(id);
  if (!quoted) return <p class="quote">{extraWords.t("quoteEarlier")}</p>;
  const mine = quoted.sender.id === session.me.value?.id;
  const name = mine ? words.t("speakerYou") : nameOf(quoted, session);
  const go = (): void => {
    const row = talk.rows.value.find((one) => one.is === "message" && one.message.id === id);
    if (row) talk.list.value?.toKey(row.key);
  };
  return (
    <button type="button" class="quote" onClick={go}>
      <span class="two-lines">
        <Icon of={back} size={13} mirrors />
        <b><bdi>{name}</bdi></b> <span dir="auto">{quoted.deleted ? words.t("gone") : plain(quoted.content).slice(0, 140)}</span>
      </span>
    </button>
  );
}
