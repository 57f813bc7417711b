/**
 * Where one writes. Enter sends, Shift+Enter begins a line, and a word that an input method is still building is
 * left alone. It is never locked: what is written offline is sent later, and what is refused comes back.
 */

import type { JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { isComposing } from "@deskbell/ui/composing.ts";
import { send, smile } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { fieldDir } from "@deskbell/ui/texts.ts";
import { About, Emoji, Reason } from "./later.tsx";
import type { Session } from "./session.ts";
import type { Talk } from "./talk.ts";
import { words } from "./words.ts";

/** From here on what is left is said. */
const NEAR = 1_500;

export function Composer({ talk, scale }: { talk: Talk; scale: number }): JSX.Element {
  const { session } = talk;
  const field = useRef<HTMLTextAreaElement>(null);
  const emoji = useSignal(false);
  const busy = useSignal(false);
  const editing = talk.editing.value;
  const about = editing ?? talk.replyTo.value;
  const text = editing ? talk.editText : session.draft;
  const left = charsLeft(text.value, session.maxBytes.value);
  const ready = text.value.trim() !== "" && left >= 0 && !busy.value;

  const fit = (): void => {
    const element = field.current;
    const form = element?.form;
    if (!form) return;
    form.style.minHeight = `${form.offsetHeight}px`; // the log does not move while the field is measured
    element.style.height = "auto";
    element.style.height = `${element.scrollHeight}px`;
    form.style.minHeight = "";
  };
  useLayoutEffect(fit, [text.value, scale]);
  useLayoutEffect(() => {
    const seen = new ResizeObserver(() => requestAnimationFrame(fit));
    if (field.current?.form) seen.observe(field.current.form);
    return () => { seen.disconnect(); };
  }, []);
  useLayoutEffect(() => {
    if (editing || talk.replyTo.value) field.current?.focus();
  }, [editing, talk.replyTo.value]);

  const submit = async (): Promise<void> => {
    if (!ready) return;
    if (editing) {
      await talk.saveEdit();
      return;
    }
    const content = text.value.trim();
    busy.value = true;
    try {
      // Without a conversation there is no outbox yet: the text stays here until there is one.
      if (session.room.value === undefined) await session.begin();
      // Meanwhile one may have written on.
      text.value = text.value.replace(content, "").trim();
      await talk.send(content);
    } catch {
      talk.outgoing.note.value = { is: "refused", why: { code: "" } };
      if (text.value === "") text.value = content;
    } finally {
      busy.value = false;
    }
  };
  const keys = (event: KeyboardEvent): void => {
    if (isComposing(event)) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      void submit();
    } else if (event.key === "Escape" && (editing || talk.replyTo.value)) {
      event.preventDefault();
      event.stopPropagation();
      talk.editing.value = talk.replyTo.value = undefined;
    }
  };
  const insert = (piece: string): void => {
    const element = field.current;
    const at = element?.selectionStart ?? text.value.length;
    text.value = text.value.slice(0, at) + piece + text.value.slice(element?.selectionEnd ?? at);
    emoji.value = false;
    element?.focus();
    requestAnimationFrame(() => element?.setSelectionRange(at + piece.length, at + piece.length));
  };
  return (
    <div class="foot">
      <Note talk={talk} />
      {about && <About talk={talk} message={about} />}
      {emoji.value && <Emoji label={words.t("emoji")} onPick={insert} onLeave={() => { emoji.value = false; field.current?.focus(); }} />}
      <form
        class="composer"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <button type="button" class="icon-btn" aria-label={words.t("emoji")} aria-expanded={emoji.value} onClick={() => { emoji.value = !emoji.value; }}>
          <Icon of={smile} />
        </button>
        <textarea
          ref={field}
          rows={1}
          dir={fieldDir(text.value)}
          data-focus
          enterkeyhint="send"
          aria-label={words.t("write")}
          aria-describedby="deskbell-left"
          aria-invalid={left < 0}
          placeholder={placeholder(session)}
          value={text.value}
          onInput={(event) => {
            text.value = event.currentTarget.value;
            if (!editing) talk.type();
          }}
          onBlur={() => { talk.stopTyping(); }}
          onKeyDown={keys}
        />
        <button type="submit" class="send" aria-label={words.t(editing ? "save" : "send")} aria-disabled={!ready}>
          <Icon of={send} />
        </button>
      </form>
      <p class={left < 0 ? "left bad" : "left"} id="deskbell-left" role="status">
        {left < NEAR && (left < 0 ? words.t("tooLong", { n: -left }) : words.t("charsLeft", { n: left }))}
      </p>
    </div>
  );
}

/** What one is to know before the next message. */
function Note({ talk }: { talk: Talk }): JSX.Element {
  const now = talk.outgoing.note.value;
  return (
    <p class={now?.is === "slow" ? "note" : "note bad"} role="alert">
      {now?.is === "slow" ? words.t("slowDown") : now && <Reason why={now.why} />}
    </p>
  );
}

function placeholder(session: Session): string {
  if (session.room.value !== undefined && session.online.value !== "live" && session.online.value !== "connecting") return words.t("writeOffline");
  const name = session.person.value?.name;
  if (session.owner.value === "person" && name) return words.t("writeTo", { name });
  return words.t(session.owner.value === "waiting" ? "writeWaiting" : "write");
}

const encoder = new TextEncoder();

/** How many characters may be added to a text; below zero: how many are to go. They count as much as those there are. */
export function charsLeft(text: string, maxBytes: number): number {
  // Nothing short can be near the limit.
  const bytes = text.length < 4000 ? 0 : encoder.encode(text).length;
  return bytes ? Math.floor(((maxBytes - bytes) * text.length) / bytes) : maxBytes - text.length;
}
