/** A dialog above the screen, with its name and a way out; what was typed is lost only after a question. */

import { x } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { ComponentChildren, JSX } from "preact";
import { Dialog as Above } from "../../parts/dialog.tsx";
import { t } from "../../words.ts";

interface DialogProps {
  title: string;
  close: () => void;
  /** Something typed would be lost. */
  unsaved?: boolean;
  children: ComponentChildren;
}

export function Dialog({ title, close, unsaved = false, children }: DialogProps): JSX.Element {
  const leave = (): void => {
    if (!unsaved || confirm(t("screens.unsaved"))) close();
  };
  return (
    <Above label={title} kind="sc-dialog" onClose={leave}>
      <header>
        <h2 dir="auto">{title}</h2>
        <button type="button" class="ib" aria-label={t("screens.close")} onClick={leave}>
          <Icon of={x} size={16} />
        </button>
      </header>
      {children}
    </Above>
  );
}
