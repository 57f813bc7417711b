/**
 * A button and what it opens: a menu or a small form right under it. Arrows move within a menu, Esc closes and gives
 * the focus back, a press elsewhere closes.
 */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";

interface PopoverProps {
  /** What the button holds. */
  button: ComponentChildren;
  buttonClass: string;
  /** Its name, where what it holds says too little; of what opens, in any case. */
  label: string;
  /** Whether the label is the button's name too. */
  named?: boolean;
  kind?: "menu" | "dialog";
  align?: "start" | "end";
  children: (close: () => void) => ComponentChildren;
}

export function Popover({ button, buttonClass, label, named = false, kind = "menu", align = "start", children }: PopoverProps): JSX.Element {
  const [open, setOpen] = useState(false);
  const id = useId();
  const around = useRef<HTMLSpanElement>(null);
  const trigger = useRef<HTMLButtonElement>(null);
  const pop = useRef<HTMLDivElement>(null);

  const close = (): void => {
    setOpen(false);
    if (pop.current?.contains(document.activeElement) ?? true) trigger.current?.focus();
  };

  useEffect(() => {
    if (!open) return;
    items(pop.current, kind)[0]?.focus();
    const pressed = (event: PointerEvent): void => {
      if (event.target instanceof Node && !around.current?.contains(event.target)) setOpen(false);
    };
    document.addEventListener("pointerdown", pressed);
    return () => {
      document.removeEventListener("pointerdown", pressed);
    };
  }, [open, kind]);

  const key = (event: KeyboardEvent): void => {
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
    if (kind !== "menu" || !["ArrowDown", "ArrowUp", "Home", "End"].includes(event.key)) return;
    event.preventDefault();
    const all = items(pop.current, kind);
    const at = all.indexOf(document.activeElement as HTMLElement);
    const to = event.key === "Home" ? 0 : event.key === "End" ? all.length - 1 : (at + (event.key === "ArrowDown" ? 1 : -1) + all.length) % all.length;
    all[to]?.focus();
  };

  return (
    <span class={`pop-around ${align}`} ref={around} onKeyDown={open ? key : undefined}>
      <button
        type="button"
        ref={trigger}
        class={buttonClass}
        aria-haspopup={kind}
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        aria-label={named ? label : undefined}
        title={named ? label : undefined}
        onClick={() => {
          setOpen(!open);
        }}
      >
        {button}
      </button>
      {open && (
        <div class="pop" id={id} role={kind} aria-label={label} ref={pop}>
          {children(close)}
        </div>
      )}
    </span>
  );
}

function items(pop: HTMLElement | null, kind: "menu" | "dialog"): HTMLElement[] {
  if (!pop) return [];
  return [...pop.querySelectorAll<HTMLElement>(kind === "menu" ? "[role^=menuitem]:not(:disabled)" : "input, select, button, a")];
}
