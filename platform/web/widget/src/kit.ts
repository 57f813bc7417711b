/** What the loader has already and the chat needs too: it travels once, and the chat gets it with its frame. */

import { forgetAll, keepIn } from "./keep.ts";
import { siteFrom } from "./site.ts";
import { languageFor, launcherWords, pageWishes } from "./speech.ts";

export const kit = { forgetAll, keepIn, languageFor, launcherWords, pageWishes, siteFrom } as const;
export type Kit = typeof kit;
