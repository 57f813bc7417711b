/** Leave to sound: browsers let a page do so only after its reader has touched it. */

export let context: AudioContext | undefined;

/** To be called when the reader does something, so that it may ring later. */
export function allowed(): void {
  try {
    context ??= new AudioContext();
    if (context.state === "suspended") void context.resume();
  } catch {
    // no sound on this machine
  }
}
