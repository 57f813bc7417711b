/** How long somebody waits, as a bar: the target's mark stands at two thirds, so that lateness has room. */

export type WaitState = "ok" | "half" | "late";

export interface WaitBar {
  /** Percent of the bar that is filled, 0 to 100. */
  filled: number;
  state: WaitState;
  /** Milliseconds beyond the target; 0 while there is time. */
  lateMs: number;
}

/** Percent of the bar at which the target's mark stands. */
export const TARGET_AT = 66.6;

/** `targetMs` of 0 or less: nobody promised a time, and nothing is late. */
export function waitBar(waitedMs: number, targetMs: number): WaitBar {
  const waited = Math.max(0, waitedMs);
  if (!(targetMs > 0)) return { filled: 0, state: "ok", lateMs: 0 };
  const share = waited / targetMs;
  const filled = Math.min(100, Math.round(share * TARGET_AT * 10) / 10);
  const state = share >= 1 ? "late" : share >= 0.5 ? "half" : "ok";
  return { filled, state, lateMs: Math.max(0, waited - targetMs) };
}
