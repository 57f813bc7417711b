/**
 * Words in the reader's language. A catalog is data: sentences by key, with `{name}` for what is put in, and one
 * sentence for each plural form where the number `n` matters. What a catalog lacks is said in English.
 */

import { computed, type ReadonlySignal, signal, type Signal } from "@preact/signals";

type Forms = Partial<Record<Intl.LDMLPluralRule, string>> & { other: string };
export type Catalog = Readonly<Record<string, string | Forms>>;
export type Values = Readonly<Record<string, string | number>>;

const RIGHT_TO_LEFT = new Set(["ar", "dv", "fa", "he", "ku", "ps", "ur", "yi"]);

export class Texts<Key extends string> {
  /** BCP 47, such as `en` or `ar`. */
  readonly language: Signal<string>;
  readonly direction: ReadonlySignal<"ltr" | "rtl">;
  readonly #english: Readonly<Record<Key, string | Forms>>;
  readonly #catalog: Signal<Catalog>;

  constructor(english: Readonly<Record<Key, string | Forms>>) {
    this.#english = english;
    this.#catalog = signal<Catalog>(english);
    this.language = signal("en");
    this.direction = computed(() => (RIGHT_TO_LEFT.has(this.language.value.split("-")[0] ?? "") ? "rtl" : "ltr"));
  }

  /** Speak another language from now on; all that reads a text in a signal's scope is drawn again. */
  speak(language: string, catalog: Catalog): void {
    this.#catalog.value = catalog;
    this.language.value = language;
  }

  /** The sentence of a key. Values are put in as they are: the result is text, never markup. */
  t(key: Key, values: Values = {}): string {
    const found = this.#catalog.value[key] ?? this.#english[key];
    const language = this.language.value;
    let sentence: string;
    if (typeof found === "string") sentence = found;
    else sentence = found[new Intl.PluralRules(language).select(Number(values["n"] ?? 0))] ?? found.other;
    return sentence.replace(/\{(\w+)\}/g, (whole, name: string) => {
      const value = values[name];
      if (value === undefined) return whole;
      return typeof value === "number" ? new Intl.NumberFormat(language).format(value) : value;
    });
  }
}
