/** Who answers in a conversation, in one word that header, line, banner and composer share. */

import type { RoomState } from "@deskbell/client";
import type { CaseRow } from "../records.ts";

/** `over`: it is resolved. `nobody`: it is nobody's, and nobody was called. */
export type Side = "bot" | "waiting" | "me" | "colleague" | "nobody" | "over";

export interface Answering {
  side: Side;
  /** The agent or the bot. */
  user?: string | undefined;
}

/** `ended`: the conversation is over, and nothing was said since. A case that was sent back to the bot is over as well. */
export function answering(state: RoomState | undefined, row: CaseRow | undefined, me: string, ended: boolean): Answering | undefined {
  if (!state) return undefined;
  const kind = state.owner?.kind;
  const user = state.owner?.user ?? undefined;
  if (kind === "agent") return { side: user === me ? "me" : "colleague", user };
  if (row?.status === "waiting") return { side: "waiting", user };
  if (kind === "bot" && !ended) return { side: "bot", user };
  if (ended || row?.status === "resolved" || state.archived) return { side: "over" };
  return { side: "nobody" };
}

/** The class of the line under the header. */
export function lineOf(side: Side): "bot" | "wait" | "human" | "none" {
  if (side === "bot") return "bot";
  if (side === "waiting") return "wait";
  return side === "me" || side === "colleague" ? "human" : "none";
}

/** Minutes and seconds, `4:12`; with hours where there are some. */
export function clock(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (number: number): string => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}
