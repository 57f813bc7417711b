/** Work that many ask for and that is done seldom: at once if it has rested long enough, else when it has. */

export class Seldom {
  readonly #restMs: number;
  readonly #work: () => unknown;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #last = -Infinity;
  #state: "idle" | "busy" | "busy and asked" = "idle";

  constructor(restMs: number, work: () => unknown) {
    this.#restMs = restMs;
    this.#work = work;
  }

  /** Do it soon; asked twice meanwhile, it is done once. */
  soon(): void {
    if (this.#state !== "idle") this.#state = "busy and asked";
    else this.#timer ??= setTimeout(() => void this.#go(), Math.max(0, this.#last + this.#restMs - performance.now()));
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#state !== "idle") this.#state = "busy";
  }

  async #go(): Promise<void> {
    this.#timer = undefined;
    this.#state = "busy";
    try {
      await this.#work();
    } finally {
      const again = this.#askedMeanwhile();
      this.#state = "idle";
      this.#last = performance.now();
      if (again) this.soon();
    }
  }

  #askedMeanwhile(): boolean {
    return this.#state === "busy and asked";
  }
}
