/** The log: rows by day and speaker, older ones fetched when one scrolls up, and what stands below the last. */

import type { JSX } from "preact";
import { useCallback, useLayoutEffect } from "preact/hooks";
import { fetched } from "@deskbell/ui/lazy.tsx";
import { day } from "@deskbell/ui/times.ts";
import type { EventsRow, Row } from "@deskbell/ui/timeline.ts";
import { Virtual, type VirtualList, WHOLE } from "@deskbell/ui/virtual.tsx";
import { eventLine } from "./events.ts";
import { Choices, Ending, News, Streaming, ToLatest, Typing, Waiting } from "./later.tsx";
import { MessageRow } from "./message.tsx";
import type { Session } from "./session.ts";
import type { Talk } from "./talk.ts";
import { UnsentRow } from "./unsent.tsx";
import { words } from "./words.ts";

/** What a long conversation takes to be smooth; asked for in time, so that it is here when the rows are too many. */
const far = fetched(() => import("./far.ts"));

export function Thread({ talk }: { talk: Talk }): JSX.Element {
  const draw = useCallback((row: Row) => <Drawn row={row} talk={talk} />, [talk]);
  const hold = useCallback((list: VirtualList | null) => {
    talk.list.value = list;
  }, [talk]);
  const rows = talk.rows.value;
  useLayoutEffect(() => { talk.session.drawn.value ||= rows.length > 0; }, [rows]);
  return (
    <div class="thread">
      <Virtual
        class="log"
        role="log"
        label={words.t("log")}
        rows={rows}
        keyOf={keyOf}
        stretch={rows.length > WHOLE / 2 ? far()?.stretch : undefined}
        draw={draw}
        moves={moves}
        hold={hold}
        onStart={() => void talk.older()}
        before={<p class="earlier">{talk.loadingOlder.value && words.t("loadingEarlier")}</p>}
        after={<Below talk={talk} />}
      />
      <End talk={talk} />
      <div class="unseen" aria-live="polite">
        {rows.length > 0 && <News talk={talk} />}
      </div>
    </div>
  );
}

/** What stands below the last row. */
function Below({ talk }: { talk: Talk }): JSX.Element {
  const { session } = talk;
  const owner = session.owner.value;
  return (
    <div class="below">
      {talk.rows.value.length > 0 && <Choices talk={talk} />}
      {talk.writers().length > 0 && <Typing talk={talk} />}
      {isInLine(session) && <Waiting talk={talk} />}
      {owner === "closed" && <Ending session={session} />}
    </div>
  );
}

/** Who waits, and who keeps the place meanwhile. */
function isInLine({ owner, ownCase }: Session): boolean {
  return owner.value === "waiting" || (owner.value === "bot" && ownCase.value?.status === "waiting");
}

function keyOf(row: Row): string {
  return row.key;
}

function moves({ is }: Row): boolean {
  return is === "day" || is === "new" || is === "events";
}

function Drawn({ row, talk }: { row: Row; talk: Talk }): JSX.Element {
  switch (row.is) {
    case "message":
      return <MessageRow row={row} talk={talk} />;
    case "streaming":
      return <Streaming row={row} talk={talk} />;
    case "unsent":
      return <UnsentRow row={row} talk={talk} />;
    case "events":
      return <Events row={row} />;
    case "new":
      return <p class="new-line"><span>{words.t("newSince", { n: row.count })}</span></p>;
    case "day":
      return <p class="day"><time dateTime={row.at}>{day(row.at, words.language.value)}</time></p>;
  }
}

/** What the platform said, one line each. */
function Events({ row }: { row: EventsRow }): JSX.Element {
  return (
    <div class="events">
      {row.messages.map((message) => (
        <p class="event" key={message.id} dir="auto">
          {eventLine(message)}
        </p>
      ))}
    </div>
  );
}

/** The way to the end, where one is not there. */
function End({ talk }: { talk: Talk }): JSX.Element | null {
  const list = talk.list.value;
  return list && !list.atEnd.value ? <ToLatest talk={talk} list={list} /> : null;
}
