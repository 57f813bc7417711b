/** The reactions under a message; a press joins one, or takes one's own back. Thumbs of an answer stand at its foot. */

import type { JSX } from "preact";
import type { Message } from "@deskbell/client";
import { DID_NOT_HELP, HELPED } from "./answer.tsx";
import { reacted, toggle } from "./deeds.ts";
import type { Talk } from "./talk.ts";
import { extraWords as words } from "./extra-words.ts";

export function Reactions({ message, talk }: { message: Message; talk: Talk }): JSX.Element | null {
  const atFoot = message.sender.kind === "bot" && typeof message.metadata["turn"] === "string";
  const shown = message.reactions.filter(({ emoji, count }) => count > 0 && !(atFoot && (emoji === HELPED || emoji === DID_NOT_HELP)));
  if (shown.length === 0) return null;
  return (
    <div class="reactions">
      {shown.map(({ emoji, count }) => (
        <button type="button" key={emoji} aria-pressed={reacted(talk, message, emoji)} aria-label={words.t("reaction", { emoji, n: count })} onClick={() => void toggle(talk, message, emoji)}>
          <bdi>{emoji}</bdi> {count > 1 && new Intl.NumberFormat(words.language.value).format(count)}
        </button>
      ))}
    </div>
  );
}
