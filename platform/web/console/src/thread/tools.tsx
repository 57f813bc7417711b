/** What one can do with a message, beside it while it is pointed at or focused. */

import type { JSX } from "preact";
import type { Message } from "@deskbell/client";
import * as draw from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { Emojis, Menu, type MenuItem } from "../parts/menu.tsx";
import { Popover } from "../parts/popover.tsx";
import { t } from "../words.ts";
import type { Talk } from "./talk.ts";

const QUICK = ["👍", "👎", "❤️", "😀", "🎉", "🙏", "👀", "✅"].map((emoji) => [emoji] as const);

export function Tools({ message, talk }: { message: Message; talk: Talk }): JSX.Element {
  const mine = message.sender.id === talk.conversation.me;
  return (
    <div class="tools" role="toolbar" aria-label={t("thread.tools")}>
      <button type="button" class="ib" aria-label={t("thread.reply")} title={t("thread.reply")} onClick={() => { talk.reply(message); }}>
        <Icon of={draw.back} size={16} mirrors />
      </button>
      <Popover label={t("thread.react")} class="ib" button={<Icon of={draw.smile} size={16} />}>
        {(close) => <Emojis all={QUICK} onChoose={(emoji) => { close(); void talk.react(message, emoji); }} />}
      </Popover>
      {talk.mayEdit(message) ? (
        <button type="button" class="ib" aria-label={t("thread.edit")} title={t("thread.edit")} onClick={() => { talk.editing.value = message; }}>
          <Icon of={draw.pencil} size={16} />
        </button>
      ) : (
        <button type="button" class="ib" aria-label={t(message.pinned ? "thread.unpin" : "thread.pin")} title={t(message.pinned ? "thread.unpin" : "thread.pin")} onClick={() => void talk.pin(message)}>
          <Icon of={draw.pin} size={16} />
        </button>
      )}
      <Menu label={t("thread.more")} class="ib" items={rest(message, talk, mine)}>
        <Icon of={draw.more} size={16} />
      </Menu>
    </div>
  );
}

function rest(message: Message, talk: Talk, mine: boolean): (MenuItem | undefined)[] {
  const ask = (kind: "delete" | "report" | "trace") => (): void => {
    talk.asking.value = { kind, message };
  };
  return [
    { title: t("thread.copy-link"), icon: draw.clip, run: () => void talk.copyLink(message) },
    { title: t("thread.copy-text"), icon: draw.box, run: () => void navigator.clipboard.writeText(message.content).catch(() => undefined) },
    ...(talk.mayEdit(message)
      ? [{ title: t(message.pinned ? "thread.unpin" : "thread.pin"), icon: draw.pin, run: () => void talk.pin(message) }]
      : []),
    ...(message.room === talk.room ? [{ title: t("thread.unread-from"), icon: draw.mail, run: () => void talk.markUnread(message) }] : []),
    { title: t("thread.why"), icon: draw.help, run: ask("trace") },
    undefined,
    ...(mine ? [] : [{ title: t("thread.report"), icon: draw.shield, run: ask("report") }]),
    ...(talk.mayDelete(message) ? [{ title: t("thread.delete"), icon: draw.trash, bad: true, run: ask("delete") }] : []),
  ];
}
