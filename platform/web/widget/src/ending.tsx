/** What stands at the end of a conversation that is over: how it went, the transcript, the way to a new one. */

import type { JSX } from "preact";
import { useSignal } from "@preact/signals";
import { chat, get } from "@deskbell/ui/drawings.ts";
import { endOf } from "@deskbell/ui/ending.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { lazy } from "@deskbell/ui/lazy.tsx";
import type { RatingProps } from "./rating.tsx";
import type { Session } from "./session.ts";

const Rating = lazy<RatingProps>(async () => (await import("./rating.tsx")).Rating);

/** The last thing in the log while `session.owner` is `closed`. */
export function Ending({ session }: { session: Session }): JSX.Element | null {
  const { texts, keep } = session;
  const end = endOf(session.watched()?.messages.values() ?? []);
  const thanks = useSignal(false);
  // Asked once for each end, in all tabs and pages.
  const asked = useSignal(keep.get("rated"));
  const room = session.room.value;
  if (!end || room === undefined) return null;
  const done = (sent: boolean): void => {
    keep.set("rated", end.id);
    asked.value = end.id;
    thanks.value = sent;
  };
  const transcript = async (): Promise<void> => {
    try {
      await (await import("./transcript.ts")).giveTranscript(session, room);
    } catch {
      session.trouble.value = texts.t("menuFailed");
    }
  };
  return (
    <div class="ending">
      {asked.value !== end.id && end.metadata["ask_rating"] === true && <Rating session={session} name={session.lastPerson.value?.name} done={done} />}
      <p class="event" role="status">{thanks.value && texts.t("thanks")}</p>
      <div class="links">
        <button type="button" onClick={() => void transcript()}>
          <Icon of={get} size={16} /> {texts.t("transcript")}
        </button>
      </div>
    </div>
  );
}

/** In the place of the composer while `session.owner` is `closed`. */
export function NewChat({ session }: { session: Session }): JSX.Element {
  const busy = useSignal(false);
  const begin = async (): Promise<void> => {
    if (busy.value) return;
    busy.value = true;
    try {
      await session.begin({ fresh: true });
    } catch {
      session.trouble.value = session.texts.t("menuFailed");
    } finally {
      busy.value = false;
    }
  };
  return (
    <div class="foot">
      <button type="button" class="btn wide" data-focus aria-busy={busy.value} onClick={() => void begin()}>
        <Icon of={chat} size={16} /> {session.texts.t("newChat")}
      </button>
    </div>
  );
}
