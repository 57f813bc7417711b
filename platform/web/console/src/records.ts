/**
 * The records of the console, as the server words them. What a server that is a little older leaves out is absent,
 * never made up: whoever draws it leaves it out as well.
 */

import type { CaseEntry, LastSaid, PublicUser } from "@deskbell/client";

/** The newest thing said in a conversation; `note`: backstage. */
export type Last = LastSaid;

/** What a list tells of a case beside the case itself; the answer to an act may leave it out. */
type Told = "visitor" | "channel_type" | "site" | "owner" | "last" | "target_at" | "changed_at";

/** A case as agents see it in lists. `target_at`: when the next answer is due. */
export type CaseRow = Omit<CaseEntry, Told> & Partial<Pick<CaseEntry, Told>>;

/** A conversation without a case: the assistant answers in it. */
export interface Conversation {
  room: string;
  visitor?: PublicUser;
  channel_type?: string;
  site?: string | null;
  last?: Last | null;
  owner?: CaseEntry["owner"];
  opened_at?: string;
}

/** A line of the list: a conversation, and its case where it has one. */
export interface Row extends Conversation {
  case?: CaseRow;
  /** A message to go to. */
  message?: string;
}

export type Role = "agent" | "supervisor" | "admin";

export interface Me {
  user: PublicUser;
  tenant: string;
  role: Role | "";
}

export type Presence = "online" | "away" | "busy" | "offline";

export interface Availability {
  status: Exclude<Presence, "offline">;
  accepting: boolean;
}

export interface Agent {
  user: PublicUser;
  role: Role;
  status: Presence;
  accepting: boolean;
  load: number;
  capacity: number;
  /** Slugs. */
  teams: string[];
}

export interface Team {
  slug: string;
  name: string;
  mine: boolean;
  members?: number;
}

export interface Label {
  id: string;
  name: string;
  color: string | null;
  retired: boolean;
}

export type CasesView = "mine" | "queue" | "bot" | "all" | "snoozed" | "resolved";

/** What a list shows: the query of `GET /cases`. `priority`: at least this. */
export interface Filter {
  view?: CasesView;
  label?: string | null;
  team?: string | null;
  priority?: number | null;
}

export interface View {
  id: string;
  name: string;
  filter: Filter;
  shared: boolean;
}

export interface Snippet {
  id: string;
  shortcut: string;
  text: string;
  shared: boolean;
}

export interface Counts {
  lists: Partial<Record<CasesView, number>>;
  views: Record<string, number>;
}

export interface Mention {
  message: { id: string; seq: number; content: string; sender: PublicUser; created_at: string; room: string };
  room: { id: string; name: string };
  case: string | null;
  read: boolean;
}

/** `team:` is followed by a slug, `view:` by the id of a saved view. */
export type ListName = "mine" | "queue" | "all" | "bot" | "mentions" | "snoozed" | "resolved" | `team:${string}` | `view:${string}`;

export type Sort = "waiting" | "activity" | "created" | "priority";
