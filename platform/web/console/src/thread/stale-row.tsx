/**
 * Replies that were held back because somebody else wrote before they could be sent: all of them in their order, as
 * they were written, and one choice for them. Nothing of them is sent, or lost, until their author decides.
 */

import type { JSX } from "preact";
import * as draw from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { Rich } from "@deskbell/ui/rich.tsx";
import { t } from "../words.ts";
import type { Waiting } from "./rows.ts";
import type { Talk } from "./talk.ts";

export function StaleRow({ all, talk }: { all: readonly Waiting[]; talk: Talk }): JSX.Element {
  const { conversation } = talk;
  const since = Math.min(...all.map(({ letter }) => letter.expect?.seq ?? Infinity));
  const name = conversation.wroteAfter(since)?.name ?? t("thread.stale.somebody");
  const n = all.length;
  const send = (): void => {
    for (const { letter } of all) void conversation.outgoing.again(letter);
  };
  const drop = (dropped: readonly Waiting[]): void => {
    for (const { letter } of dropped) conversation.outgoing.take(letter);
  };
  const edit = (edited: readonly Waiting[]): void => {
    drop(edited);
    // Who does not answer here any more can still tell their colleague.
    talk.write(talk.mayReply.peek() ? "reply" : "note", edited.map(({ letter }) => letter.content).join("\n\n"));
  };
  return (
    <section class="msg us me starts stale" data-waiting="failed" aria-label={t("thread.stale.kept", { n })}>
      <span class="no-face" />
      <div class="col">
        {all.map((waiting) => (
          <article class="kept" key={waiting.letter.client_id}>
            <div class="bub failed" dir="auto"><Rich text={waiting.letter.content} /></div>
            {n > 1 && (
              <div class="meta">
                <button type="button" class="link" onClick={() => { edit([waiting]); }}>{t("thread.edit")}</button>
                <button type="button" class="link" onClick={() => { drop([waiting]); }}>{t("thread.discard")}</button>
              </div>
            )}
          </article>
        ))}
        <div class="meta bad choice" role="alert">
          <Icon of={draw.warn} size={13} />
          <span class="why" dir="auto">{t("thread.stale", { name, n })}</span>
          <span class="acts">
            {talk.mayReply.value && <button type="button" class="btn sm ink" onClick={send}>{t("thread.stale.send", { n })}</button>}
            <button type="button" class="btn sm" onClick={() => { edit(all); }}>{t("thread.stale.edit", { n })}</button>
            <button type="button" class="btn sm" onClick={() => { drop(all); }}>{t("thread.stale.drop", { n })}</button>
          </span>
        </div>
      </div>
    </section>
  );
}
