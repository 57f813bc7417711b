/** All words of the widget's shell, in English: what every other language is measured by. */

import { opened } from "./en.opened.ts";
import { shell } from "./en.shell.ts";

export const english = { ...shell, ...opened };
export type Key = keyof typeof english;
