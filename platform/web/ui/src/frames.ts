/** Work gathered until the next picture is drawn, so that a burst costs one drawing a frame; also in a hidden tab. */

const HIDDEN_MS = 250; // a hidden tab draws no frames

export class NextFrame {
  readonly #work: () => void;
  #frame = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(work: () => void) {
    this.#work = work;
  }

  ask(): void {
    if (this.#timer !== undefined) return;
    this.#frame = requestAnimationFrame(this.#now);
    this.#timer = setTimeout(this.#now, HIDDEN_MS);
  }

  stop(): void {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  readonly #now = (): void => {
    this.stop();
    this.#work();
  };
}
