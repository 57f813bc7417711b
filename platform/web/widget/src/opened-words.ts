/** The words of what the shell opens, taught to the shell's texts when it is fetched; in Arabic where that is spoken. */

import { effect } from "@preact/signals";
import type { Texts } from "@deskbell/ui/texts.ts";
import type { Key } from "./texts/en.ts";
import { opened } from "./texts/en.opened.ts";

const taught = new WeakMap<Texts<Key>, Promise<void>>();

/** Resolves when they can be said. */
export function teach(texts: Texts<Key>): Promise<void> {
  let ready = taught.get(texts);
  if (!ready) {
    texts.learn("en", opened);
    let first: Promise<void> = Promise.resolve();
    effect(() => {
      const language = texts.language.value;
      if (language === "ar") first = import("./texts/ar.opened.ts").then(({ opened: arabic }) => { texts.learn("ar", arabic); }, () => undefined);
    });
    taught.set(texts, (ready = first));
  }
  return ready;
}
