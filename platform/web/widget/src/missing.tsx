/** What stands where a part of the panel did not come. */

import type { JSX } from "preact";
import { again } from "@deskbell/ui/lazy.tsx";
import type { Widget } from "./widget.ts";

export function Missing({ widget, failed }: { widget: Widget; failed: boolean }): JSX.Element | null {
  return failed ? <p class="error banner" role="alert"><button type="button" class="btn wide" onClick={again}>{widget.texts.t("didNotWork")}</button></p> : null;
}
