/** What holds a text up, in the thread, and why one was refused, above the composer too. */

import type { JSX } from "preact";
import { shield, warn } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { Unsent } from "@deskbell/ui/timeline.ts";
import { retry } from "./deeds.ts";
import { extraWords as words } from "./extra-words.ts";
import type { Why } from "./outgoing.ts";
import type { Talk } from "./talk.ts";

/** Sent again as it is, it would be refused again. */
const FINAL = new Set<string | undefined>(["blocked", "too_large", "rejected"]);

/** What waits for a check, or was refused. */
export function Stopped({ unsent, talk }: { unsent: Unsent; talk: Talk }): JSX.Element {
  if (unsent.state === "failed") return <Failed unsent={unsent} talk={talk} />;
  return (
    <p class="meta">
      <Icon of={shield} size={13} /> {words.t("stateHeld")}
      <button type="button" onClick={() => { talk.outgoing.discard(unsent); }}>{words.t("hide")}</button>
    </p>
  );
}

/** What was refused, why, and what can be done with it. */
function Failed({ unsent, talk }: { unsent: Unsent; talk: Talk }): JSX.Element {
  const again = !FINAL.has(unsent.error?.code);
  return (
    <p class="meta bad" role="alert">
      <Icon of={warn} size={13} /> <span>{reason(unsent.error)}</span>
      {again ? (
        <button type="button" onClick={() => void retry(talk, unsent).catch(() => undefined)}>{words.t("tryAgain")}</button>
      ) : (
        <button type="button" onClick={() => { talk.outgoing.rewrite(unsent); }}>{words.t("change")}</button>
      )}
      <button type="button" onClick={() => { talk.outgoing.discard(unsent); }}>{words.t("remove")}</button>
    </p>
  );
}

/** The same as a line of its own. */
export function Reason({ why }: { why: Why }): JSX.Element {
  return <>{reason(why)}</>;
}

const REASONS: Readonly<Record<string, Parameters<typeof words.t>[0]>> = {
  too_large: "whyTooLong",
  rejected: "whyRejected",
  muted: "whyMuted",
  room_closed: "whyClosed",
  window_over: "whyLate",
  message_deleted: "whyGone",
};

/** Why something was refused, in a sentence; a filter's own word is quoted. */
function reason(error: Why | undefined): string {
  if (error?.code === "blocked") return error.rule ? words.t("whyRule", { rule: error.rule.slice(0, 80) }) : words.t("whyBlocked");
  return words.t(REASONS[error?.code ?? ""] ?? "whyFailed");
}
