/** Every word of the console, in the reader's language. English is always here; others are fetched when they are chosen. */

import { type Catalog, Texts, type Values } from "@deskbell/ui/texts.ts";
import { en } from "./texts/en.ts";

export type Key = keyof typeof en;
export const texts = new Texts<Key>(en);

export const LANGUAGES: Readonly<Record<string, string>> = { en: "English", ar: "العربية" };

/** Signs that turn the direction of what follows: a name that holds one would turn the sentence it is put into. */
const TURNS = /[\u202a-\u202e\u2066-\u2069]/g;

export function t(key: Key, values: Values = {}): string {
  const plain = Object.entries(values).map(([name, value]) => [name, typeof value === "string" ? value.replace(TURNS, "") : value] as const);
  return texts.t(key, Object.fromEntries(plain));
}

/** Speak a language that there is a catalog for; any other is English. */
export async function speak(language: string): Promise<void> {
  let catalog: Catalog = en;
  if (language === "ar") catalog = (await import("./texts/ar.ts")).ar;
  texts.speak(language in LANGUAGES ? language : "en", catalog);
}
