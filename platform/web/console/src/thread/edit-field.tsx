/** A message of one's own, written anew in its place. What was typed stays until it is stored or given up. */

import type { JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Message } from "@deskbell/client";
import { isComposing } from "@deskbell/ui/composing.ts";
import { fieldDir } from "@deskbell/ui/texts.ts";
import { preferences } from "../preferences.ts";
import { t } from "../words.ts";
import { sends } from "../composer/sending.ts";
import type { Talk } from "./talk.ts";

export function EditField({ message, talk }: { message: Message; talk: Talk }): JSX.Element {
  const [text, setText] = useState(message.content);
  const [busy, setBusy] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => {
    field.current?.focus();
    field.current?.setSelectionRange(text.length, text.length);
  }, []);
  const over = (): void => {
    talk.editing.value = undefined;
    talk.focus.value++;
  };
  const save = async (): Promise<void> => {
    if (!text.trim() || busy) return;
    if (text === message.content) {
      over();
      return;
    }
    setBusy(true);
    const went = await talk.edit(message, text);
    setBusy(false);
    if (went) over();
  };
  return (
    <form
      class="edit"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <textarea
        ref={field}
        class="field"
        dir={fieldDir(text)}
        rows={Math.min(10, text.split("\n").length + 1)}
        aria-label={t("thread.edit")}
        value={text}
        onInput={(event) => { setText(event.currentTarget.value); }}
        onKeyDown={(event) => {
          if (event.key === "Escape" && !isComposing(event)) {
            event.stopPropagation();
            over();
          } else if (sends(event, preferences.value.sendKey)) {
            event.preventDefault();
            void save();
          }
        }}
      />
      <div class="acts">
        <button type="button" class="btn sm" onClick={over}>{t("thread.cancel")}</button>
        <button type="submit" class="btn ink sm" disabled={busy || !text.trim()}>{t("thread.save")}</button>
      </div>
    </form>
  );
}
