/** Which language to speak, and the few words of the launcher, which is there before the catalogs are. */

export const SPOKEN = ["en", "ar"] as const;
export type Language = (typeof SPOKEN)[number];

const WORDS: Record<Language, { open: string; failed: string }> = {
  en: { open: "Open chat", failed: "The chat could not be loaded. Try again" },
  ar: { open: "فتح المحادثة", failed: "تعذّر تحميل المحادثة. حاول مرة أخرى" },
};

/** The first wish that is spoken here and offered by the site; wishes are BCP 47, such as `ar-EG`. */
export function languageFor(wishes: (string | undefined)[], offered: readonly string[]): Language {
  const both = SPOKEN.filter((language) => offered.includes(language));
  for (const wish of wishes) {
    const found = both.find((language) => wish?.toLowerCase().split("-")[0] === language);
    if (found) return found;
  }
  return both[0] ?? "en";
}

/** What the page and the browser say, best first. */
export function pageWishes(): string[] {
  return [document.documentElement.lang, ...navigator.languages];
}

export function launcherWords(language: Language): { open: string; failed: string } {
  return WORDS[language];
}
