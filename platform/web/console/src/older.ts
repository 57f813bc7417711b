/** Lists that are not kept whole, such as what was resolved: a part at a time, as far as somebody scrolls. */

import { signal } from "@preact/signals";
import type { Cases } from "./cases.ts";
import type { Filter } from "./records.ts";

export class Older {
  /** `undefined`: nothing was asked for yet. */
  readonly state = signal<"asking" | "more" | "all" | "failed" | undefined>(undefined);
  readonly #cases: Cases;
  #filter = "";
  #cursor: string | undefined;

  constructor(cases: Cases) {
    this.#cases = cases;
  }

  /** Ask for the next part; another filter begins anew. */
  async more(filter: Filter): Promise<void> {
    const wanted = JSON.stringify(filter);
    if (wanted === this.#filter && (this.state.peek() === "asking" || this.state.peek() === "all")) return;
    if (wanted !== this.#filter) this.#cursor = undefined;
    this.#filter = wanted;
    this.state.value = "asking";
    try {
      const { cursor } = await this.#cases.part(filter, this.#cursor);
      if (wanted !== this.#filter) return;
      this.#cursor = cursor;
      this.state.value = cursor === undefined ? "all" : "more";
    } catch {
      if (wanted === this.#filter) this.state.value = "failed";
    }
  }
}
