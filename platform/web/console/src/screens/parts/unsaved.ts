/** Nobody leaves a form with something unsaved without being asked; `route.ts` asks before it goes, this before the page does. */

import { useEffect } from "preact/hooks";
import { holdBack } from "../../route.ts";
import { t } from "../../words.ts";

export function useUnsaved(unsaved: boolean): void {
  useEffect(() => {
    if (!unsaved) return;
    const leaving = (event: BeforeUnloadEvent): void => {
      event.preventDefault();
    };
    addEventListener("beforeunload", leaving);
    const letGo = holdBack(() => confirm(t("screens.unsaved")));
    return () => {
      removeEventListener("beforeunload", leaving);
      letGo();
    };
  }, [unsaved]);
}
