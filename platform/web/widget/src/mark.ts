/** What the launcher shows once the chat is here: unread messages, a place in line, or how to close. */

import type { Language } from "./speech.ts";
import { placeOf } from "./when.ts";
import type { Widget } from "./widget.ts";

const MOST = 99;

/** To be called in an effect: it is told again whenever one of the signals changes. */
export function tellLauncher({ frame: { launcher, kit }, session, texts, isOpen, site }: Widget): void {
  const { ownCase, unread } = session.value;
  const language = texts.language.value as Language;
  const count = unread.value;
  const position = ownCase.value?.status === "waiting" ? ownCase.value.position : undefined;
  const open = isOpen.value;
  launcher.open(open);
  launcher.words(site.value.launcher.label);
  if (open) {
    launcher.mark("", false);
    launcher.label(texts.t("closeChat"));
  } else if (position != null) {
    const place = placeOf(position, language);
    launcher.mark(place, true);
    launcher.label(texts.t("openWaiting", { place }));
  } else if (count > 0) {
    launcher.mark(count > MOST ? `${MOST}+` : new Intl.NumberFormat(language).format(count), false);
    launcher.label(texts.t("openUnread", { n: count }));
  } else {
    launcher.mark("", false);
    launcher.label(kit.launcherWords(language).open);
  }
}
