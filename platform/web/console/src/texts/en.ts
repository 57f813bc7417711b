/** English: the console's own words. Each part of the console keeps its words in a file beside this one. */

import { core } from "./core.en.ts";
import { screens } from "./screens.en.ts";
import { thread } from "./thread.en.ts";

export const en = { ...core, ...thread, ...screens };
