/** What `GET /rooms/{id}/contact` tells of a person, and other records of the pane. */

import type { PublicUser } from "@deskbell/client";
import type { Last } from "../records.ts";

export interface EarlierConversation {
  room: string;
  case: string | null;
  opened_at: string;
  status: string;
  reason: string | null;
  rating: number | null;
  last?: Last | null;
}

export interface Contact {
  user: PublicUser;
  email: string | null;
  identified: boolean;
  attributes: Record<string, unknown>;
  claimed: Record<string, unknown>;
  page: Record<string, unknown> | null;
  first_seen_at: string | null;
  conversations: EarlierConversation[];
}

/** A value as text; lists and objects as they are written. */
export function textOf(value: unknown): string {
  if (value === null || value === undefined) return "–";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** An address that may become a link: of the web, and nothing else. */
export function webAddress(value: unknown): string | undefined {
  return typeof value === "string" && /^https?:\/\/[^\s]+$/i.test(value) ? value : undefined;
}
