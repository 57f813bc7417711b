/** A dialog above everything: the focus stays inside and goes back afterwards; Esc and a press beside it close. */

import type { ComponentChildren, JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { isComposing } from "@deskbell/ui/composing.ts";
import { x } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { t } from "../words.ts";

interface DialogProps {
  label: string;
  kind: string;
  onClose: () => void;
  children: ComponentChildren;
}

export function Dialog({ label, kind, onClose, children }: DialogProps): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  // Before the next key comes: it belongs to what has been opened.
  useLayoutEffect(() => {
    const shown = dialog.current;
    const before = document.activeElement;
    shown?.showModal();
    shown?.querySelector<HTMLElement>("[data-first], input, textarea")?.focus();
    return () => {
      shown?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      class={`over ${kind}`}
      aria-label={label}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onKeyDown={(event) => {
        // A second Esc would close it unasked, where the first was answered with no.
        if (event.key !== "Escape" || isComposing(event) || event.defaultPrevented) return;
        event.preventDefault();
        onClose();
      }}
      onPointerDown={(event) => {
        if (event.target === dialog.current) onClose();
      }}
    >
      <div class="inside">{children}</div>
    </dialog>
  );
}

interface QuestionProps {
  title: string;
  children?: ComponentChildren;
  /** The word of the button that says yes; none: there is nothing to say yes to. */
  yes?: string;
  bad?: boolean;
  /** May be said yes to now. */
  ready?: boolean;
  onYes?: () => void;
  onClose: () => void;
}

/** A question, or what is shown on request, in a dialog. */
export function Question({ title, children, yes, bad = false, ready = true, onYes, onClose }: QuestionProps): JSX.Element {
  return (
    <Dialog label={title} kind="ask" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!ready) return;
          onClose();
          onYes?.();
        }}
      >
        <header>
          <h2>{title}</h2>
          <button type="button" class="ib" aria-label={t("app.close")} onClick={onClose}>
            <Icon of={x} size={16} />
          </button>
        </header>
        <div class="in">{children}</div>
        {yes && (
          <footer>
            <button type="button" class="btn" onClick={onClose}>
              {t("app.cancel")}
            </button>
            <button type="submit" class={bad ? "btn bad" : "btn ink"} disabled={!ready}>
              {yes}
            </button>
          </footer>
        )}
      </form>
    </Dialog>
  );
}
