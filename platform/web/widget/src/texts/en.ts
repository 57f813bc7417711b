/** All words of the widget, in English: what every other language is measured by. */

import { shell } from "./en.shell.ts";
import { thread } from "./en.thread.ts";

export const english = { ...shell, ...thread };
export type Key = keyof typeof english;
