/** The sound of a desk bell, once. A browser lets a page sound only after somebody has touched it. */

let context: AudioContext | undefined;

/** Be ready to sound from the first touch on; what comes back stops waiting for one. */
export function wake(): () => void {
  const ready = (): void => {
    context ??= new AudioContext();
    if (context.state === "suspended") void context.resume();
    stop();
  };
  const stop = (): void => {
    removeEventListener("pointerdown", ready);
    removeEventListener("keydown", ready);
  };
  addEventListener("pointerdown", ready);
  addEventListener("keydown", ready);
  return stop;
}

/** Two partials of a small bell that die away within a second. */
export function ring(): void {
  // A sound that has just been allowed may take a moment to start.
  void context?.resume().then(sound);
}

function sound(): void {
  if (!context) return;
  const now = context.currentTime;
  for (const [frequency, loudness, length] of [[1568, 0.12, 0.9], [3951, 0.05, 0.5]] as const) {
    const tone = context.createOscillator();
    const gain = context.createGain();
    tone.frequency.value = frequency;
    gain.gain.setValueAtTime(loudness, now);
    gain.gain.exponentialRampToValueAtTime(0.0001, now + length);
    tone.connect(gain).connect(context.destination);
    tone.start(now);
    tone.stop(now + length);
  }
}
