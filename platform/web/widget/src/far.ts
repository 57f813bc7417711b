/** What a conversation takes that is long: of its rows only those near the window are drawn. */

import { Stretch } from "@deskbell/ui/stretch.ts";
import type { Row } from "@deskbell/ui/timeline.ts";

export function stretch(): Stretch<Row> {
  return new Stretch((row) => row.key, estimate);
}

/** About how high a row will be, before it is drawn. */
function estimate(row: Row): number {
  switch (row.is) {
    case "message":
      return 50 + Math.ceil(row.message.content.length / 34) * 22 + (row.first ? 24 : 0);
    case "unsent":
      return 70 + Math.ceil(row.unsent.content.length / 34) * 22;
    case "events":
      return 28 * row.messages.length;
    default:
      return 36;
  }
}
