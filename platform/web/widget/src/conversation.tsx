/** The conversation: everything between the counter line and the panel's bottom. It is fetched while the panel opens. */

import type { JSX } from "preact";
import { Composer } from "./composer.tsx";
import { conversationStyles } from "./conversation.styles.ts";
import { NewChat } from "./later.tsx";
import { adopt } from "./sheets.ts";
import { talkOf } from "./talk.ts";
import { Thread } from "./thread.tsx";
import type { Widget } from "./widget.ts";
import { words } from "./words.ts";

/** What others say of a conversation with; it is not worth a file of its own. */
export { plain, read, said } from "@deskbell/ui/markup.ts";
export { eventLine } from "./events.ts";

for (const css of conversationStyles) adopt(css);

export function Conversation({ widget }: { widget: Widget }): JSX.Element {
  const session = widget.session.value;
  const talk = talkOf(session);
  return (
    <section class="conversation" aria-label={words.t("conversation")}>
      <Thread talk={talk} />
      {session.owner.value === "closed" ? <NewChat session={session} /> : <Composer talk={talk} scale={widget.scale.value} />}
    </section>
  );
}
