/** What is written and not stored: on its way, waiting for the connection or a check, or refused. */

import type { JSX } from "preact";
import { clock } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { Rich } from "@deskbell/ui/rich.tsx";
import type { UnsentRow as Row } from "@deskbell/ui/timeline.ts";
import { Stopped } from "./later.tsx";
import type { Talk } from "./talk.ts";
import { words } from "./words.ts";

export function UnsentRow({ row, talk }: { row: Row; talk: Talk }): JSX.Element {
  const { unsent, first, last } = row;
  const { session } = talk;
  const live = session.online.value === "live";
  const quiet = unsent.state === "sending" && live;
  return (
    <article class={`msg me${quiet ? "" : " pending"} ${unsent.state}${first ? " first" : ""}${last ? " last" : ""}`} aria-label={words.t("notSentYet")}>
      <div class="say">
        <div class="bubble"><Rich text={unsent.content} /></div>
      </div>
      {unsent.state === "failed" || unsent.state === "held" ? (
        <Stopped unsent={unsent} talk={talk} />
      ) : (
        <p class="meta">
          <Icon of={clock} size={13} /> {words.t(quiet ? "stateSending" : live ? "stateSoon" : "stateOffline")}
        </p>
      )}
    </article>
  );
}
