/** All words of the widget's shell in Arabic. */

import type { Catalog } from "@deskbell/ui/texts.ts";
import { opened } from "./ar.opened.ts";
import { shell } from "./ar.shell.ts";

export const arabic: Catalog = { ...shell, ...opened };
