/** What one has said and the server has not stored: on its way, with a reviewer, or refused and why. Nothing is lost. */

import type { JSX } from "preact";
import * as draw from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { Rich } from "@deskbell/ui/rich.tsx";
import { type Key, t } from "../words.ts";
import { refusal } from "../composer/refusals.ts";
import type { Waiting } from "./rows.ts";
import type { Talk } from "./talk.ts";

export function WaitingRow({ waiting, talk }: { waiting: Waiting; talk: Talk }): JSX.Element {
  const { letter, note, state } = waiting;
  const { outgoing } = talk.conversation;
  const failed = state === "failed";
  const said: Key = state === "held" ? "thread.held" : talk.desk.online.value === "live" && navigator.onLine ? "thread.sending" : "thread.pending";
  const body = <div class={failed ? "bub failed" : "bub pending"} dir="auto"><Rich text={letter.content} /></div>;
  const foot = (
    <div class={failed ? "meta bad" : "meta"} role={failed ? "alert" : undefined}>
      {failed ? (
        <>
          <Icon of={draw.warn} size={13} />
          <span class="why">{refusal(waiting.code, waiting.rule)}</span>
          {waiting.code !== "rejected" && (
            <button type="button" class="link" onClick={() => void outgoing.again(letter)}>{t("thread.retry")}</button>
          )}
          <button
            type="button"
            class="link"
            onClick={() => {
              const taken = outgoing.take(letter);
              if (taken) talk.write(taken.note ? "note" : "reply", taken.letter.content);
            }}
          >
            {t("thread.rewrite")}
          </button>
          <button type="button" class="link" onClick={() => { outgoing.take(letter); }}>{t("thread.discard")}</button>
        </>
      ) : (
        <span class="state"><Icon of={state === "held" ? draw.shield : draw.clock} size={13} />{t(said)}</span>
      )}
    </div>
  );
  if (note) {
    return (
      <article class="note" data-waiting={state}>
        <p class="k"><Icon of={draw.lock} size={13} />{t("thread.private")}</p>
        {body}
        {foot}
      </article>
    );
  }
  return (
    <article class="msg us me starts" data-waiting={state}>
      <span class="no-face" />
      <div class="col">
        {body}
        {foot}
      </div>
    </article>
  );
}
