/**
 * Words in the reader's language. A catalog is data: sentences by key, with `{name}` for what is put in, and one
 * sentence for each plural form where the number `n` matters. What a catalog lacks is said in English.
 */

import { computed, type ReadonlySignal, signal, type Signal } from "@preact/signals";

type Forms = Partial<Record<Intl.LDMLPluralRule, string>> & { other: string };
export type Catalog = Readonly<Record<string, string | Forms>>;
export type Values = Readonly<Record<string, string | number>>;

const RIGHT_TO_LEFT = new Set(["ar", "dv", "fa", "he", "ku", "ps", "ur", "yi"]);

/** What overrides, embeds or isolates. */
const CONTROLS = /[\u202A-\u202E\u2066-\u2069]/g;
/** What turns a sentence that is read from left to right: those, and letters from right to left, also of far planes. */
const TURNS = /[\u0590-\u08FF\u200F\u202A-\u202E\u2066-\u2069\uFB1D-\uFDFF\uFE70-\uFEFE\uD802\uD803\uD83A\uD83B]/;

/** A piece of a sentence, so that it turns nothing of what stands around it; `always`, where everything reads the other way. */
export function isolated(piece: string, always = false): string {
  return always || TURNS.test(piece) ? `\u2068${piece.replace(CONTROLS, "")}\u2069` : piece;
}

export class Texts<Key extends string> {
  /** BCP 47, such as `en` or `ar`. */
  readonly language: Signal<string>;
  readonly direction: ReadonlySignal<"ltr" | "rtl">;
  readonly #english: Partial<Catalog>;
  readonly #catalog: Signal<Partial<Catalog>>;

  readonly #learned: Signal<Readonly<Record<string, Catalog>>> = signal({});

  /** The English of what is said first; the rest is learned before it is said. */
  constructor(english: Readonly<Partial<Record<Key, string | Forms>>>) {
    this.#english = english;
    this.#catalog = signal<Partial<Catalog>>(english);
    this.language = signal("en");
    this.direction = computed(() => (RIGHT_TO_LEFT.has(this.language.value.split("-")[0] ?? "") ? "rtl" : "ltr"));
  }

  /** Speak another language from now on; all that reads a text in a signal's scope is drawn again. */
  speak(language: string, catalog: Catalog): void {
    this.#catalog.value = catalog;
    this.language.value = language;
  }

  /** Know more words of a language. */
  learn(language: string, catalog: Catalog): void {
    const known = this.#learned.peek();
    this.#learned.value = { ...known, [language]: { ...known[language], ...catalog } };
  }

  /**
   * The sentence of a key. Values are put in as they are: the result is text, never markup. One that reads the other
   * way is isolated: it turns nothing of the sentence around it.
   */
  t(key: Key, values: Values = {}): string {
    const language = this.language.value;
    const learned = this.#learned.value;
    const found = this.#catalog.value[key] ?? learned[language]?.[key] ?? this.#english[key] ?? learned["en"]?.[key] ?? "";
    let sentence: string;
    if (typeof found === "string") sentence = found;
    else sentence = found[new Intl.PluralRules(language).select(Number(values["n"] ?? 0))] ?? found.other;
    return sentence.replace(/\{(\w+)\}/g, (whole, name: string) => {
      const value = values[name];
      if (value === undefined) return whole;
      if (typeof value === "number") return new Intl.NumberFormat(language).format(value);
      return isolated(value, this.direction.value === "rtl");
    });
  }
}

/** The direction of a field: that of what is written in it; while it is empty, that of the page around it. */
export function fieldDir(text: string): "auto" | undefined {
  // An empty field with dir="auto" reads from left to right, wherever it stands.
  return text ? "auto" : undefined;
}
