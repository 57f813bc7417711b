/** Who answers, where it is not oneself, and the one way to answer oneself. */

import type { JSX } from "preact";
import * as draw from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { Keys } from "../parts/keycaps.tsx";
import { t } from "../words.ts";
import type { Talk } from "../thread/talk.ts";

export function Banner({ talk }: { talk: Talk }): JSX.Element | null {
  const { conversation } = talk;
  const side = talk.answering.value?.side;
  const name = conversation.visitor.value?.name ?? "";
  const takeOver = (
    <button type="button" class="btn bell" onClick={() => void talk.takeOver()}>
      {t("thread.take-over")} <span aria-hidden="true"><Keys command="case.claim" /></span>
    </button>
  );
  if (side === "bot") {
    return (
      <div class="banner">
        <span class="bot-mark"><Icon of={draw.bot} size={16} /></span>
        <div>
          <b>{t("thread.banner.bot")}</b>
          <span dir="auto">{t("thread.banner.reading", { name })}</span>
        </div>
        {takeOver}
      </div>
    );
  }
  // While somebody waits the card has the brass button; without a packet there is none.
  if (side === "waiting" && !conversation.case.value) return <div class="banner wait"><div><b>{t("thread.owner.waiting")}</b></div>{takeOver}</div>;
  if (side === "nobody") {
    return (
      <div class="banner plain">
        <div><b>{t("thread.banner.nobody")}</b></div>
        {takeOver}
      </div>
    );
  }
  if (side === "over") {
    const row = conversation.case.value;
    return (
      <div class="banner plain">
        <Icon of={draw.check} size={16} />
        <div><b>{t("thread.banner.over")}</b></div>
        {row && <button type="button" class="btn" onClick={() => void talk.desk.act.reopen(row)}>{t("thread.reopen")}</button>}
      </div>
    );
  }
  return null;
}
