/** Why a message was refused, in words that say what to change. */

import { type Key, t } from "../words.ts";

const CODES: Readonly<Record<string, Key>> = {
  rate_limited: "thread.refused.slow",
  too_large: "thread.refused.large",
  blocked: "thread.refused.blocked",
  rejected: "thread.refused.rejected",
  room_closed: "thread.refused.closed",
  forbidden: "thread.refused.forbidden",
  not_owner: "thread.refused.owner",
  muted: "thread.refused.muted",
  not_found: "thread.refused.gone",
  unreachable: "thread.refused.unreachable",
};

export function refusal(code = "", rule?: string): string {
  const words = CODES[code] ? t(CODES[code]) : t("thread.refused.other", { code: code || "?" });
  return rule === undefined ? words : `${words} (${rule})`;
}
