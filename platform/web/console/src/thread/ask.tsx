/** A question in a dialog of the browser's own: it holds the focus, Escape says no, and the focus goes back after. */

import type { ComponentChildren, JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { Icon } from "@deskbell/ui/icon.tsx";
import { x } from "@deskbell/ui/drawings.ts";
import { t } from "../words.ts";

interface AskProps {
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

export function Ask({ title, children, yes, bad = false, ready = true, onYes, onClose }: AskProps): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      class="ask"
      aria-label={title}
      onClose={onClose}
      onKeyDown={(event) => { event.stopPropagation(); }}
      onPointerDown={(event) => {
        if (event.target === event.currentTarget) event.currentTarget.close();
      }}
    >
      <form
        method="dialog"
        onSubmit={(event) => {
          event.preventDefault();
          if (!ready) return;
          onYes?.();
          dialog.current?.close();
        }}
      >
        <header>
          <h2>{title}</h2>
          <button type="button" class="ib" aria-label={t("thread.close")} onClick={() => { dialog.current?.close(); }}>
            <Icon of={x} size={16} />
          </button>
        </header>
        <div class="in">{children}</div>
        {yes && (
          <footer>
            <button type="button" class="btn" onClick={() => { dialog.current?.close(); }}>
              {t("thread.cancel")}
            </button>
            <button type="submit" class={bad ? "btn bad" : "btn ink"} disabled={!ready}>
              {yes}
            </button>
          </footer>
        )}
      </form>
    </dialog>
  );
}
