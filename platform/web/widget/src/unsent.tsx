/** What is written and not stored: on its way, waiting for the connection or a check, or refused. */

import type { JSX } from "preact";
import { clock, shield, warn } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { Rich } from "@deskbell/ui/rich.tsx";
import type { Unsent, UnsentRow as Row } from "@deskbell/ui/timeline.ts";
import type { Why } from "./outgoing.ts";
import type { Talk } from "./talk.ts";
import { type Word, words } from "./words.ts";

export function UnsentRow({ row, talk }: { row: Row; talk: Talk }): JSX.Element {
  const { unsent, first, last } = row;
  const { session } = talk;
  const live = session.online.value === "live";
  const quiet = unsent.state === "sending" && live;
  const oldest = talk.outgoing.unsent.value.find(({ state }) => state === "sending" || state === "delayed") === unsent;
  return (
    <article class={`msg me${quiet ? "" : " pending"} ${unsent.state}${first ? " first" : ""}${last ? " last" : ""}`} aria-label={words.t("notSentYet")}>
      <div class="say">
        <div class="bubble"><Rich text={unsent.content} /></div>
      </div>
      {unsent.state === "failed" ? (
        <Failed unsent={unsent} talk={talk} />
      ) : unsent.state === "held" ? (
        <p class="meta">
          <Icon of={shield} size={13} /> {words.t("stateHeld")}
          <button type="button" onClick={() => { talk.outgoing.discard(unsent); }}>{words.t("hide")}</button>
        </p>
      ) : (
        <p class="meta">
          <Icon of={clock} size={13} /> {words.t(quiet ? "stateSending" : unsent.state === "sending" && oldest ? "stateOffline" : "stateWaiting")}
        </p>
      )}
    </article>
  );
}

function Failed({ unsent, talk }: { unsent: Unsent; talk: Talk }): JSX.Element {
  const again = unsent.error?.code !== "blocked" && unsent.error?.code !== "too_large";
  return (
    <p class="meta bad" role="alert">
      <Icon of={warn} size={13} /> <span>{reason(unsent.error)}</span>
      {again ? (
        <button type="button" onClick={() => void talk.retry(unsent).catch(() => undefined)}>{words.t("tryAgain")}</button>
      ) : (
        <button type="button" onClick={() => { talk.outgoing.rewrite(unsent); }}>{words.t("change")}</button>
      )}
      <button type="button" onClick={() => { talk.outgoing.discard(unsent); }}>{words.t("remove")}</button>
    </p>
  );
}

const REASONS: Readonly<Record<string, Word>> = {
  too_large: "whyTooLong",
  muted: "whyMuted",
  room_closed: "whyClosed",
  window_over: "whyLate",
  message_deleted: "whyGone",
};

/** Why something was refused, in a sentence; a filter's own word is quoted. */
export function reason(error: Why | undefined): string {
  if (error?.code === "blocked") return error.rule ? words.t("whyRule", { rule: `\u2068${error.rule.slice(0, 80)}\u2069` }) : words.t("whyBlocked");
  return words.t(REASONS[error?.code ?? ""] ?? "whyFailed");
}
