/** An answer as far as it is written. It is announced when it is whole. */

import type { JSX } from "preact";
import { stop as square } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { Rich } from "@deskbell/ui/rich.tsx";
import type { StreamingRow as Row } from "@deskbell/ui/timeline.ts";
import { stop } from "./deeds.ts";
import { By } from "./message.tsx";
import { extraWords } from "./extra-words.ts";
import type { Talk } from "./talk.ts";
import { words } from "./words.ts";

export function Streaming({ row, talk }: { row: Row; talk: Talk }): JSX.Element {
  const { session } = talk;
  const owner = session.watched()?.state?.owner;
  const name = (owner?.kind === "bot" && owner.user ? session.participant(owner.user)?.user.name : undefined) ?? words.t("speakerBot");
  return (
    <article class="msg bot first" aria-busy="true" aria-label={extraWords.t("isWriting", { name })}>
      <By voice="bot" name={name} desk={session.desk} />
      <div class="say">
        <div class="bubble">
          <Rich text={row.text} tail={<span class="caret" />} />
        </div>
      </div>
      <div class="under">
        <button type="button" class="mini boxed" onClick={() => void stop(talk, row.turn)}>
          <Icon of={square} size={13} /> {extraWords.t("stop")}
        </button>
      </div>
    </article>
  );
}
