/**
 * A button and what it opens beside it: a menu, a grid of small things, or a small form. It lies in the top layer, so
 * that no scrolling edge cuts it.
 *
 * The keyboard is the same everywhere: an arrow down on the button opens; arrows, Home, End and the first letters
 * choose; Escape closes and gives the focus back, Tab goes on from the button; a press elsewhere closes.
 */

import type { ComponentChildren, JSX } from "preact";
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { isComposing } from "@deskbell/ui/composing.ts";
import { place, stepIn, Typed } from "./pop-keys.ts";

export interface PopoverProps {
  /** What opens, in a word; the button's name too, unless what the button holds is (`named={false}`). */
  label: string;
  named?: boolean;
  class?: string;
  /** What the button holds. */
  button: ComponentChildren;
  kind?: "menu" | "dialog";
  /** The edge both have in common; left out: whichever is nearer to the window's own. */
  align?: "start" | "end";
  disabled?: boolean | undefined;
  children: (close: () => void) => ComponentChildren;
}

export function Popover({ label, named = true, class: className = "btn", button, kind = "menu", align, disabled, children }: PopoverProps): JSX.Element {
  const [open, setOpen] = useState<"first" | "last" | undefined>(undefined);
  const trigger = useRef<HTMLButtonElement>(null);
  const pop = useRef<HTMLDivElement>(null);
  const typed = useRef(new Typed());
  const id = useId();

  const close = (): void => {
    setOpen(undefined);
    trigger.current?.focus();
  };

  useLayoutEffect(() => {
    const [over, from] = [pop.current, trigger.current];
    if (!open || !over || !from) return;
    over.showPopover();
    const put = (): void => { place(over, from, align); };
    put();
    itemsOf(over, kind).at(open === "last" ? -1 : 0)?.focus();
    const elsewhere = ({ target }: Event): void => {
      if (target instanceof Node && !over.contains(target) && !from.contains(target)) setOpen(undefined);
    };
    document.addEventListener("pointerdown", elsewhere, true);
    addEventListener("resize", put);
    return () => {
      document.removeEventListener("pointerdown", elsewhere, true);
      removeEventListener("resize", put);
    };
  }, [open]);

  const key = (event: KeyboardEvent): void => {
    const over = pop.current;
    if (!over || isComposing(event)) return;
    if (event.key === "Escape" || (event.key === "Tab" && kind === "menu")) {
      if (event.key === "Escape") event.preventDefault();
      event.stopPropagation();
      close();
      return;
    }
    if (kind !== "menu" || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = itemsOf(over, kind);
    const next = stepIn(all, event.key) ?? typed.current.next(all, event.key);
    if (!next) return;
    event.preventDefault();
    event.stopPropagation();
    next.focus();
  };

  return (
    <>
      <button
        ref={trigger}
        type="button"
        class={className}
        aria-haspopup={kind}
        aria-expanded={open !== undefined}
        aria-controls={open ? id : undefined}
        aria-label={named ? label : undefined}
        title={label}
        disabled={disabled}
        onClick={() => { setOpen(open ? undefined : "first"); }}
        onKeyDown={(event) => {
          const at = event.key === "ArrowDown" ? "first" : event.key === "ArrowUp" ? "last" : undefined;
          if (!at || kind !== "menu" || event.altKey || event.ctrlKey || event.metaKey) return;
          event.preventDefault();
          event.stopPropagation();
          setOpen(at);
        }}
      >
        {button}
      </button>
      {open && (
        <div
          ref={pop}
          id={id}
          class="pop over"
          popover="manual"
          role={kind}
          aria-label={label}
          onKeyDown={key}
          onFocusOut={({ relatedTarget: to }) => {
            if (to instanceof Node && !pop.current?.contains(to) && !trigger.current?.contains(to)) setOpen(undefined);
          }}
        >
          {children(close)}
        </div>
      )}
    </>
  );
}

function itemsOf(over: HTMLElement, kind: "menu" | "dialog"): HTMLElement[] {
  return [...over.querySelectorAll<HTMLElement>(kind === "menu" ? "[role^=menuitem]:not(:disabled)" : "input, select, textarea, button, a")];
}
