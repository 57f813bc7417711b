/** What else one does from the field: the longer ways to send, and mending what was said last. */

import * as draw from "@deskbell/ui/drawings.ts";
import { register } from "../commands.ts";
import type { Talk } from "../thread/talk.ts";

export type After = "stay" | "resolve" | "snooze";

export interface Standing {
  /** There is a reply that can be sent. */
  ready: boolean;
  /** One is in the field, and it is empty. */
  empty: () => boolean;
  send: (after: After) => unknown;
}

/** `now`: how the composer stands at this moment. What comes back takes the offer away. */
export function offerWriting(talk: Talk, now: () => Standing): () => void {
  const when = (): boolean => now().ready && talk.conversation.case.peek() !== undefined;
  return register(
    {
      id: "thread.edit-last", title: "thread.edit.last", group: "conversation", keys: ["ArrowLeft"], inFields: true, silent: true,
      when: () => now().empty() && talk.lastOfMine() !== undefined,
      run: () => { talk.editing.value = talk.lastOfMine(); },
    },
    { id: "thread.send-resolve", title: "thread.send.resolve", group: "conversation", keys: ["Mod+Shift+Enter"], icon: draw.check, when, run: () => void now().send("resolve") },
    { id: "thread.send-snooze", title: "thread.send.snooze", group: "conversation", keys: ["Mod+Alt+Enter"], icon: draw.moon, when, run: () => void now().send("snooze") },
  );
}
