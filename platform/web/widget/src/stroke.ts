/**
 * One soft stroke of the bell, made here: there is no file to load. Browsers let a page sound only after its reader has
 * touched it; before that, and where sound is switched off, it is silent.
 */

import { context } from "./bell.ts";

/** Ring once for all open pages of the site. */
export function ring(siteKey: string): void {
  const locks = navigator.locks as LockManager | undefined; // there are none outside a secure context
  if (!locks) {
    strike();
    return;
  }
  void locks.request(`deskbell-bell/${siteKey}`, { ifAvailable: true }, async (lock) => {
    if (!lock) return;
    strike();
    await new Promise((resolve) => setTimeout(resolve, 1000));
  });
}

function strike(): void {
  if (context?.state !== "running") return;
  const start = context.currentTime;
  for (const [pitch, loudness, seconds] of [[1318.5, 0.05, 1.1], [2637, 0.018, 0.6], [3951, 0.008, 0.3]] as const) {
    const tone = new OscillatorNode(context, { frequency: pitch });
    const fading = new GainNode(context, { gain: 0 });
    fading.gain.setValueAtTime(0, start);
    fading.gain.linearRampToValueAtTime(loudness, start + 0.008);
    fading.gain.exponentialRampToValueAtTime(0.0001, start + seconds);
    tone.connect(fading).connect(context.destination);
    tone.start(start);
    tone.stop(start + seconds);
  }
}
