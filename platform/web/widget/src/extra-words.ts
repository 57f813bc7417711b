/** The words of what comes after the conversation, in the language of the conversation. */

import { effect } from "@preact/signals";
import { Texts } from "@deskbell/ui/texts.ts";
import { extras } from "./texts/en.extras.ts";
import { words } from "./words.ts";

export const extraWords = new Texts<keyof typeof extras>(extras);

effect(() => {
  const wanted = words.language.value;
  if (wanted === "en") extraWords.speak("en", extras);
  else void import("./texts/ar.extras.ts").then(({ extras: arabic }) => { extraWords.speak(wanted, arabic); }, () => undefined);
});
