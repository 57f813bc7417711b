/** All words of the widget, in English: what every other language is measured by. */

import { shell } from "./en.shell.ts";

export const english = shell;
export type Key = keyof typeof english;
