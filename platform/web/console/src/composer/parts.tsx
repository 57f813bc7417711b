/** The small parts around the field: tabs, what is answered, the guard, the state of the draft, the limit. */

import type { ComponentChildren, JSX } from "preact";
import * as draw from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { plain } from "@deskbell/ui/markup.ts";
import { t } from "../words.ts";
import type { Tab, Talk } from "../thread/talk.ts";
import type { Draft } from "./draft.ts";
import { charactersLeft } from "./length.ts";

interface TabsProps {
  talk: Talk;
  tab: Tab;
  mayReply: boolean;
  /** Why there is no reply. */
  why: string;
  children: ComponentChildren;
}

export function Tabs({ talk, tab, mayReply, why, children }: TabsProps): JSX.Element {
  const one = (name: Tab, word: string, disabled: boolean, icon?: string): JSX.Element => (
    <button
      type="button"
      role="tab"
      class="tab"
      aria-selected={tab === name}
      tabIndex={tab === name ? 0 : -1}
      disabled={disabled}
      title={disabled ? why : undefined}
      onClick={() => { talk.write(name); }}
      onKeyDown={(event) => {
        if (event.key === "ArrowLeft" || event.key === "ArrowRight") talk.write(name === "reply" ? "note" : "reply");
      }}
    >
      {icon && <Icon of={icon} size={13} />}
      {word}
    </button>
  );
  return (
    <div class="tb">
      <div role="tablist" aria-label={t("thread.composer")}>
        {one("reply", t("thread.tab.reply"), !mayReply)}
        {one("note", t("thread.tab.note"), talk.conversation.back.value === undefined, draw.lock)}
      </div>
      <small>{children}</small>
    </div>
  );
}

export function Quoted({ talk }: { talk: Talk }): JSX.Element | null {
  const message = talk.replyTo.value;
  if (!message) return null;
  return (
    <div class="quoted">
      <Icon of={draw.back} size={13} mirrors />
      <span class="cut" dir="auto"><b>{message.sender.name}</b> {plain(message.content).slice(0, 200)}</span>
      <button type="button" class="ib" aria-label={t("thread.quote.drop")} onClick={() => { talk.replyTo.value = undefined; talk.focus.value++; }}>
        <Icon of={draw.x} size={13} />
      </button>
    </div>
  );
}

export function Guard({ name, onAnyway, onBack }: { name: string; onAnyway: () => void; onBack: () => void }): JSX.Element {
  return (
    <div class="guard" role="alert">
      <Icon of={draw.warn} size={16} />
      <span dir="auto">{t("thread.stale.ask", { name })}</span>
      <button type="button" class="btn sm" onClick={onBack}>{t("thread.stale.look")}</button>
      <button type="button" class="btn ink sm" onClick={onAnyway}>{t("thread.send-anyway")}</button>
    </div>
  );
}

export function State({ talk, draft }: { talk: Talk; draft: Draft }): JSX.Element {
  const state = draft.state.value;
  if (talk.told.value) return <span role="status" class="told" dir="auto">{talk.told.value}</span>;
  return <span role="status">{state === "saved" ? t("thread.draft.saved") : state === "failed" ? t("thread.draft.failed") : ""}</span>;
}

/** Shown near the end only; what is too long is said in words. */
export function Limit({ text }: { text: string }): JSX.Element | null {
  const left = charactersLeft(text);
  if (left === undefined) return null;
  return (
    <span class={left < 0 ? "limit num bad" : "limit num"} role="status">
      {left < 0 ? t("thread.limit.over", { n: -left }) : t("thread.limit.left", { n: left })}
    </span>
  );
}
