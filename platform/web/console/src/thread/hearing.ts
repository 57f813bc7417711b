/** What a client tells, sorted out for one conversation and its backstage. */

import type { Client, DeskbellError, Message, RoomState } from "@deskbell/client";
import type { CaseRow } from "../records.ts";

export type Which = "front" | "back";

export interface Ears {
  born(message: Message): void;
  changed(message: Message): void;
  /** The visitor's room: who answers, which case. */
  state(state: RoomState): void;
  case(row: CaseRow): void;
  /** A room was loaded again: what was known of it may have a gap. */
  afresh(which: Which): void;
  purged(which: Which, floor: number): void;
  /** Somebody came or went. */
  met(): void;
  lost(error: DeskbellError): void;
  typed(): void;
  /** A mark, or what the assistant is writing. */
  moved(): void;
}

/** Listen until what comes back is called. `whose` says which of the two a room is. */
export function hear(client: Client, whose: (room: string) => Which | undefined, ears: Ears): () => void {
  const front = (room: string, tell: () => void): void => {
    if (whose(room) === "front") tell();
  };
  const offs = [
    client.on("message", ({ room, message }) => {
      if (whose(room)) ears.born(message);
    }),
    client.on("changed", ({ room, message }) => {
      if (whose(room)) ears.changed(message);
    }),
    client.on("room", ({ room, state }) => {
      front(room, () => { ears.state(state); });
    }),
    client.on("case", ({ case: row }) => {
      ears.case(row);
    }),
    client.on("loaded", ({ room, again }) => {
      const which = whose(room);
      if (again && which) ears.afresh(which);
    }),
    client.on("purged", ({ room, floor }) => {
      const which = whose(room);
      if (which) ears.purged(which, floor);
    }),
    client.on("participant", ({ room }) => {
      front(room, () => { ears.met(); });
    }),
    client.on("lost", ({ room, error }) => {
      front(room, () => { ears.lost(error); });
    }),
    client.on("typing", ({ room }) => {
      front(room, () => { ears.typed(); });
    }),
    ...(["writing", "void", "read"] as const).map((name) =>
      client.on(name, ({ room }) => {
        front(room, () => { ears.moved(); });
      }),
    ),
  ];
  return () => {
    for (const off of offs) off();
  };
}
