/** Records of the screens, as the server words them; what an older server leaves out is absent. */

import type { PublicUser } from "@deskbell/client";
import type { Presence, Role } from "../records.ts";

export interface PersonEntry {
  user: PublicUser;
  email: string | null;
  role: Role | "";
  teams: string[];
  disabled: boolean;
  status?: Presence;
}

export interface PluginEntry {
  name: string;
  version: string;
  state: "active" | "disabled" | "refused";
  reason: string;
  requires_api: string;
  source: string;
  order: number;
  offers: Record<string, number>;
  registers: Record<string, string[]>;
  hooks: string[];
  faults: number;
  last_fault: string;
  passed_over: number;
  breakers: Record<string, string>;
  blocked: number;
  last_block: string;
  tasks: number;
  threads: number;
  times: Record<string, { count: number; total_ms: number; p50_ms: number; p95_ms: number; max_ms: number }>;
}

export interface DeadWork {
  id: number;
  queue: string;
  key: string;
  payload: Record<string, unknown>;
  attempts: number;
  reason: string;
  died_at: string;
}

export interface Board {
  as_of: string;
  target_s: number;
  waiting: number;
  longest_waiting_since: string | null;
  agents_here: number;
  agents_with_room: number;
  free_places: number;
  bot_conversations: number;
  today: Today;
}

export interface Today {
  opened: number;
  by_bot_alone: number;
  escalated: number;
  resolved: number;
  first_reply_median_s: number | null;
  first_reply_p90_s: number | null;
  late: number;
  reasons: { reason: string; count: number }[];
  /** Ten minutes each, the last two hours, oldest first. */
  per_slot: Slot[];
}

export interface Slot {
  at: string;
  opened: number;
  escalated: number;
  longest_wait_s: number;
}
