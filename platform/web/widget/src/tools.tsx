/** What can be done with a message: reply, react, and with one's own, edit and delete while that is allowed. */

import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { back, more, pencil, smile, trash } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { Message } from "@deskbell/client";
import { beginEdit, reacted, remove, toggle } from "./deeds.ts";
import { Emoji, QUICK } from "./emoji.tsx";
import type { Talk } from "./talk.ts";
import { extraWords as words } from "./extra-words.ts";

export interface ToolsProps {
  message: Message;
  mine: boolean;
  talk: Talk;
}

export function Tools({ message, mine, talk }: ToolsProps): JSX.Element {
  const open = useSignal<"" | "bar" | "emoji" | "sure">("");
  const button = useRef<HTMLButtonElement>(null);
  const close = (): void => {
    open.value = "";
    button.current?.focus();
  };
  const keys = (event: KeyboardEvent): void => {
    if (event.key !== "Escape" || open.value === "") return;
    event.preventDefault();
    event.stopPropagation();
    close();
  };
  return (
    <div class={open.value === "" ? "tools" : "tools open"} onKeyDown={keys}>
      <button
        type="button"
        class="icon-btn"
        ref={button}
        aria-label={words.t("tools")}
        aria-expanded={open.value !== ""}
        onClick={() => {
          open.value = open.value === "" ? "bar" : "";
        }}
      >
        <Icon of={more} size={16} />
      </button>
      {open.value === "bar" && <Bar message={message} mine={mine} talk={talk} close={close} turnTo={(next) => { open.value = next; }} />}
      {open.value === "emoji" && (
        <Emoji
          label={words.t("react")}
          onLeave={close}
          onPick={(emoji) => {
            close();
            void toggle(talk, message, emoji);
          }}
        />
      )}
      {open.value === "sure" && <Sure message={message} talk={talk} close={close} />}
    </div>
  );
}

type BarProps = ToolsProps & { close: () => void; turnTo: (next: "" | "emoji" | "sure") => void };

function Bar({ message, mine, talk, close, turnTo }: BarProps): JSX.Element {
  const { view } = talk.session;
  const policy = view.value?.state?.policy ?? {};
  const edits = mine && message.kind === "text" && within(message, policy["edit_window_s"]);
  const deletes = mine && within(message, policy["delete_window_s"]);
  return (
    <div class="bar" role="group" aria-label={words.t("tools")}>
      <div class="quick">
        {QUICK.map((emoji) => (
          <button type="button" key={emoji} aria-pressed={reacted(talk, message, emoji)} onClick={() => { close(); void toggle(talk, message, emoji); }}>
            {emoji}
          </button>
        ))}
        <button type="button" aria-label={words.t("moreEmoji")} onClick={() => { turnTo("emoji"); }}>
          <Icon of={smile} size={16} />
        </button>
      </div>
      <button
        type="button"
        onClick={() => {
          turnTo("");
          talk.editing.value = undefined;
          talk.replyTo.value = message;
        }}
      >
        <Icon of={back} size={16} mirrors /> {words.t("reply")}
      </button>
      {edits && (
        <button type="button" onClick={() => { turnTo(""); beginEdit(talk, message); }}>
          <Icon of={pencil} size={16} /> {words.t("edit")}
        </button>
      )}
      {deletes && (
        <button type="button" class="bad" onClick={() => { turnTo("sure"); }}>
          <Icon of={trash} size={16} /> {words.t("delete")}
        </button>
      )}
    </div>
  );
}

function Sure({ message, talk, close }: { message: Message; talk: Talk; close: () => void }): JSX.Element {
  return (
    <div class="bar" role="alertdialog" aria-label={words.t("deleteSure")}>
      <p>{words.t("deleteSure")}</p>
      <button type="button" class="bad" ref={(element) => element?.focus()} onClick={() => void remove(talk, message)}>
        <Icon of={trash} size={16} /> {words.t("delete")}
      </button>
      <button type="button" onClick={close}>{words.t("keepIt")}</button>
    </div>
  );
}

/** Whether a policy still allows to change a message: null is for ever, 0 never. */
function within(message: Message, windowS: unknown): boolean {
  if (windowS === null) return true;
  return typeof windowS === "number" && Date.now() - Date.parse(message.created_at) < windowS * 1000;
}
