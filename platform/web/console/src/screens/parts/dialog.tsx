/** A dialog above the screen: the browser keeps the focus inside and gives it back; Escape asks before typed words are lost. */

import { x } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { t } from "../../words.ts";

interface DialogProps {
  title: string;
  close: () => void;
  /** Something typed would be lost. */
  unsaved?: boolean;
  children: ComponentChildren;
}

export function Dialog({ title, close, unsaved = false, children }: DialogProps): JSX.Element {
  const id = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const shown = dialog.current;
    const before = document.activeElement;
    shown?.showModal();
    return () => {
      shown?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  const leave = (): void => {
    if (!unsaved || confirm(t("screens.unsaved"))) close();
  };
  return (
    <dialog
      ref={dialog}
      class="sc-dialog"
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        leave();
      }}
      onKeyDown={(event) => {
        // The console's own keys mean nothing in here.
        event.stopPropagation();
        if (event.key === "Escape") {
          event.preventDefault();
          leave();
        }
      }}
    >
      <header>
        <h2 id={id} dir="auto">{title}</h2>
        <button type="button" class="ib" aria-label={t("screens.close")} onClick={leave}>
          <Icon of={x} size={16} />
        </button>
      </header>
      {children}
    </dialog>
  );
}
