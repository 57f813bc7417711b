/** Exponential pauses with full jitter: many clients that lost one server must not come back together. */

export const FIRST_MS = 500;
export const LONGEST_MS = 30_000;

/** How long to wait before attempt number `attempt` + 1. `random` is from 0 to 1. */
export function backoffMs(attempt: number, random: number): number {
  return random * Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(Math.max(attempt, 1), 10));
}

/** What the server asked to wait, and up to a fifth more, so that those who were told the same do not come together. */
export function askedMs(retryAfterMs: number, random: number): number {
  return retryAfterMs * (1 + 0.2 * random);
}
