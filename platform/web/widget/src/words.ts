/** The words of the conversation. They come with it, and follow the language of the widget. */

import { effect } from "@preact/signals";
import { Texts } from "@deskbell/ui/texts.ts";
import { thread } from "./texts/en.thread.ts";

export type Word = keyof typeof thread;

export const words = new Texts<Word>(thread);

/** Speak from now on as these texts do. */
export function speakAs({ language }: Pick<Texts<never>, "language">): void {
  effect(() => {
    const wanted = language.value;
    if (wanted === "en") words.speak("en", thread);
    else void import("./texts/ar.talk.ts").then(({ talk: arabic }) => { words.speak(wanted, arabic); }, () => undefined);
  });
}
