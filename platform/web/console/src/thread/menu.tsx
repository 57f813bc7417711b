/**
 * A button and the menu it opens, in the top layer, so that no scrolling edge cuts it. Arrow keys move in it, Escape
 * and a click elsewhere close it, and the focus goes back to the button.
 */

import type { ComponentChildren, JSX } from "preact";
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Icon } from "@deskbell/ui/icon.tsx";

export interface MenuItem {
  title: string;
  /** A second, smaller line. */
  hint?: string;
  icon?: string;
  keys?: string | undefined;
  bad?: boolean;
  disabled?: boolean;
  run: () => void;
}

interface MenuProps {
  label: string;
  class?: string;
  /** Whether the label is the button's name; else what it holds is. */
  named?: boolean;
  /** Undefined leaves a line between what stands before and after it. */
  items: readonly (MenuItem | undefined)[];
  children: ComponentChildren;
  /** Instead of items: anything with buttons in it, such as a set of emoji. */
  panel?: (close: () => void) => ComponentChildren;
  disabled?: boolean;
}

const GAP_PX = 4;

export function Menu({ label, class: className = "btn", named = true, items, children, panel, disabled }: MenuProps): JSX.Element {
  const [open, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const pop = useRef<HTMLDivElement>(null);
  const id = useId();
  const close = (): void => {
    setOpen(false);
    button.current?.focus();
  };

  useLayoutEffect(() => {
    const [over, from] = [pop.current, button.current];
    if (!open || !over || !from) return;
    over.showPopover();
    place(over, from);
    over.querySelector<HTMLElement>("button:not(:disabled)")?.focus();
    const elsewhere = (event: Event): void => {
      const at = event.target as Node | null;
      if (!over.contains(at) && !from.contains(at)) setOpen(false);
    };
    document.addEventListener("pointerdown", elsewhere, true);
    addEventListener("resize", close);
    return () => {
      document.removeEventListener("pointerdown", elsewhere, true);
      removeEventListener("resize", close);
    };
  }, [open]);

  const keys = (event: KeyboardEvent): void => {
    if (event.key === "Escape" || event.key === "Tab") {
      if (event.key === "Escape") event.preventDefault();
      event.stopPropagation();
      close();
      return;
    }
    const step = { ArrowDown: 1, ArrowRight: panel ? 1 : 0, ArrowUp: -1, ArrowLeft: panel ? -1 : 0 }[event.key];
    const all = [...(pop.current?.querySelectorAll<HTMLElement>("button:not(:disabled)") ?? [])];
    const at = all.indexOf(document.activeElement as HTMLElement);
    const next = event.key === "Home" ? 0 : event.key === "End" ? all.length - 1 : step ? (at + step + all.length) % all.length : -1;
    if (next < 0) return;
    event.preventDefault();
    event.stopPropagation();
    all[next]?.focus();
  };

  return (
    <>
      <button
        ref={button}
        type="button"
        class={className}
        aria-label={named ? label : undefined}
        title={label}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        disabled={disabled}
        onClick={() => { setOpen(!open); }}
      >
        {children}
      </button>
      {open && (
        <div ref={pop} id={id} class="pop over" popover="manual" role="menu" aria-label={label} onKeyDown={keys}>
          {panel ? panel(close) : items.map((item) => (item ? <Item item={item} close={close} key={item.title} /> : <hr key="line" />))}
        </div>
      )}
    </>
  );
}

function Item({ item, close }: { item: MenuItem; close: () => void }): JSX.Element {
  return (
    <button
      type="button"
      role="menuitem"
      class={item.bad ? "bad" : undefined}
      disabled={item.disabled}
      onClick={() => {
        close();
        item.run();
      }}
    >
      {item.icon && <Icon of={item.icon} size={16} />}
      <span>
        {item.title}
        {item.hint && <small>{item.hint}</small>}
      </span>
      {item.keys && <kbd>{item.keys}</kbd>}
    </button>
  );
}

/** Below the button, or above it where there is no room; never beyond the window. */
function place(over: HTMLElement, from: HTMLElement): void {
  const [box, at] = [over.getBoundingClientRect(), from.getBoundingClientRect()];
  const rightToLeft = getComputedStyle(from).direction === "rtl";
  const wanted = at.left + at.width / 2 > innerWidth / 2 || rightToLeft ? at.right - box.width : at.left;
  const below = at.bottom + GAP_PX + box.height <= innerHeight;
  over.style.left = `${Math.max(8, Math.min(wanted, innerWidth - box.width - 8))}px`;
  over.style.top = `${Math.max(8, below ? at.bottom + GAP_PX : at.top - GAP_PX - box.height)}px`;
}
