/** The conversation: everything between the counter line and the panel's bottom. */

import type { JSX } from "preact";
import type { Session } from "./session.ts";

export function Conversation({ session }: { session: Session }): JSX.Element {
  return (
    <ol>
      {session.watched()?.ordered().map((message) => (
        <li key={message.id} dir="auto">
          {message.content}
        </li>
      ))}
    </ol>
  );
}
