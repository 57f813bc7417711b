/** The widget in Arabic; loaded when somebody reads Arabic. */

import type { Catalog } from "@deskbell/ui/texts.ts";
import { shell } from "./ar.shell.ts";

export const arabic: Catalog = shell;
