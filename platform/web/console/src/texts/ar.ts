/** Arabic. What is missing here is said in English. */

import type { Catalog } from "@deskbell/ui/texts.ts";
import { core } from "./core.ar.ts";
import { screens } from "./screens.ar.ts";
import { thread } from "./thread.ar.ts";

export const ar: Catalog = { ...core, ...thread, ...screens };
