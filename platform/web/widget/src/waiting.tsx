/** The card of somebody who waits for a person: which place, how long, and what can be done meanwhile. */

import type { JSX } from "preact";
import { useLayoutEffect } from "preact/hooks";
import { useSignal, useSignalEffect } from "@preact/signals";
import { bellRing, person } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { range } from "@deskbell/ui/spans.ts";
import { heraldOf } from "./herald.tsx";
import type { Session } from "./session.ts";
import type { Talk } from "./talk.ts";
import { backOf, minutesOf, placeOf } from "./when.ts";
import { extraWords as words } from "./extra-words.ts";

/** So many who wait are drawn; of more, a number. */
const DRAWN = 4;

function placeTitle({ ownCase }: Session): string {
  const position = ownCase.value?.position;
  if (typeof position !== "number" || position < 1) return words.t("waitTitle");
  return position === 1 ? words.t("waitNext") : words.t("waitPlace", { place: placeOf(position, words.language.value) });
}

function waitLine({ ownCase, texts }: Session): string {
  const { wait, open, opens_at } = ownCase.value ?? {};
  if (open === false) return backOf(opens_at, texts);
  return wait ? words.t("waitUsually", { range: range(...minutesOf(wait), words.language.value) }) : words.t("waitSoon");
}

/** Place and wait in one breath, for those who listen. */
function placeLine(session: Session): string {
  return `${placeTitle(session)}. ${waitLine(session)}.`;
}

export function Waiting({ talk }: { talk: Talk }): JSX.Element {
  const { session } = talk;
  const busy = useSignal(false);
  const failed = useSignal(false);
  const owner = session.owner.value;
  // Who kept the place is with the assistant, and still in line.
  const waits = owner === "waiting";
  useSignalEffect(() => {
    // Until the place is known, what the assistant has said of it is enough.
    const own = session.ownCase.value;
    const told = session.owner.value === "waiting" && session.shown.value && (own?.position != null || own?.open === false);
    heraldOf(talk).placeIs(told ? placeLine(session) : undefined);
  });
  // Only when one waits no more: in between, the herald keeps count of when it has told the place.
  useLayoutEffect(() => () => { heraldOf(talk).placeIs(undefined); }, [talk]);
  const act = (doing: () => Promise<void>): void => {
    busy.value = true;
    failed.value = false;
    doing()
      .catch(() => {
        failed.value = true;
      })
      .finally(() => {
        busy.value = false;
      });
  };
  const leave = (
    <button type="button" class="btn" disabled={busy.value} onClick={() => { act(() => session.act("leave-queue")); }}>
      {words.t("leaveLine")}
    </button>
  );
  const problem = failed.value && <p class="error" role="alert">{words.t("waitFailed")}</p>;
  if (!waits) {
    return (
      <div class="card bell kept" role="group" aria-label={words.t("waitTitle")}>
        <p><b>{placeTitle(session)}</b> {words.t("waitKept")}</p>
        {leave}
        {problem}
      </div>
    );
  }
  return (
    <div class="card bell" role="group" aria-label={words.t("waitTitle")}>
      <div class="wait-top">
        <span class="wait-dome"><Icon of={bellRing} size={26} /></span>
        <div>
          <h3>{placeTitle(session)}</h3>
          <p>{waitLine(session)}</p>
        </div>
      </div>
      <Line session={session} />
      <div class="btns">
        <button type="button" class="btn ink" disabled={busy.value} onClick={() => { act(() => session.act("assistant")); }}>
          {words.t("askMeanwhile")}
        </button>
        {leave}
      </div>
      {problem}
      <p class="promise">{words.t("waitPromise")}</p>
    </div>
  );
}

/** Those before one, as a drawing: the card says it in words. */
function Line({ session }: { session: Session }): JSX.Element | null {
  const position = session.ownCase.value?.position;
  if (typeof position !== "number" || position < 1) return null;
  const before = Math.min(position - 1, DRAWN);
  const more = position - 1 - before;
  return (
    <div class="line-up" aria-hidden="true">
      <Icon of={person} size={16} />
      {Array.from({ length: before }, (_, at) => (
        <>
          <span class="seg" />
          <span class="pip" key={at} />
        </>
      ))}
      {more > 0 && <span class="more-pips">+{more}</span>}
      <span class="seg" />
      <span class="pip you" />
      <span>{words.t("waitYou")}</span>
    </div>
  );
}
