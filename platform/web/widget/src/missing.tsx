/** What stands where a part of the panel did not come. */

import type { JSX } from "preact";
import { again } from "@deskbell/ui/lazy.tsx";
import type { Widget } from "./widget.ts";

export function Missing({ widget, failed }: { widget: Widget; failed: boolean }): JSX.Element | null {
  if (!failed) return null;
  const { texts } = widget;
  return <p class="missing" role="alert">{texts.t("missing")} <button type="button" class="btn" onClick={again}>{texts.t("tryAgain")}</button></p>;
}
