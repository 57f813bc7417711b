/** The conversation's words in Arabic. */

import type { Catalog } from "@deskbell/ui/texts.ts";

export const thread: Catalog = {};
