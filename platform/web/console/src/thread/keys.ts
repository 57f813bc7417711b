/** What the open conversation offers to the command menu and the keyboard. */

import * as draw from "@deskbell/ui/drawings.ts";
import { register } from "../commands.ts";
import type { Talk } from "./talk.ts";

export function offerKeys(talk: Talk): () => void {
  const { conversation } = talk;
  return register(
    { id: "thread.take-over", title: "thread.take-over", group: "conversation", silent: true, when: () => ["bot", "waiting"].includes(talk.answering.peek()?.side ?? ""), run: () => void talk.takeOver() },
    { id: "thread.reply", title: "thread.tab.reply", group: "conversation", keys: ["R", "Enter", "Alt+L"], icon: draw.back, when: () => talk.mayReply.value, run: () => { talk.write("reply"); } },
    { id: "thread.note", title: "thread.note.write", group: "conversation", keys: ["P", "Alt+P"], icon: draw.lock, when: () => conversation.back.value !== undefined, run: () => { talk.write("note"); } },
    { id: "thread.find", title: "thread.find", group: "conversation", keys: ["Mod+F"], inFields: true, icon: draw.search, run: () => { talk.finding.value = true; } },
    { id: "thread.unread", title: "thread.unread", group: "conversation", keys: ["Shift+U"], icon: draw.mail, run: () => void talk.markUnread() },
    { id: "thread.date", title: "thread.to-date", group: "conversation", icon: draw.clock, run: () => { talk.asking.value = { kind: "date" }; } },
    { id: "thread.pins", title: "thread.pins", group: "conversation", icon: draw.pin, run: () => { talk.asking.value = { kind: "pins" }; } },
    { id: "thread.copy", title: "thread.copy-link", group: "conversation", icon: draw.clip, run: () => void talk.copyLink() },
  );
}
