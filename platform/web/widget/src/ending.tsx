/** What stands at the end of a conversation that is over: how it went, the transcript, the way to a new one. */

import type { JSX } from "preact";
import type { Session } from "./session.ts";

/** The last thing in the log while `session.owner` is `closed`. */
export function Ending({ session }: { session: Session }): JSX.Element | null {
  return session.owner.value === "closed" ? <div /> : null;
}

/** In the place of the composer while `session.owner` is `closed`. */
export function NewChat({ session }: { session: Session }): JSX.Element {
  return (
    <button type="button" class="btn wide" onClick={() => void session.begin({ fresh: true })}>
      {session.texts.t("newChat")}
    </button>
  );
}
