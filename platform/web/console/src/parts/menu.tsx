/** A popover of things to do, each of which closes it. */

import type { ComponentChildren, JSX } from "preact";
import { Icon } from "@deskbell/ui/icon.tsx";
import { Popover } from "./popover.tsx";

export interface MenuItem {
  title: string;
  icon?: string;
  keys?: string | undefined;
  bad?: boolean;
  disabled?: boolean;
  run: () => void;
}

interface MenuProps {
  label: string;
  named?: boolean;
  class?: string;
  /** Undefined leaves a line between what stands before and after it. */
  items: readonly (MenuItem | undefined)[];
  /** What the button holds. */
  children: ComponentChildren;
}

export function Menu({ items, children, ...rest }: MenuProps): JSX.Element {
  return (
    <Popover {...rest} button={children}>
      {(close) => items.map((item) => (item ? <Item item={item} close={close} key={item.title} /> : <hr key="line" />))}
    </Popover>
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
      <span>{item.title}</span>
      {item.keys && <kbd dir="ltr">{item.keys}</kbd>}
    </button>
  );
}

/** Emoji to choose from, for a popover; `named`: with what each is called. */
export function Emojis({ all, onChoose }: { all: readonly (readonly [emoji: string, name?: string, ...rest: string[]])[]; onChoose: (emoji: string) => void }): JSX.Element {
  return (
    <div class="emojis">
      {all.map(([emoji, name]) => (
        <button type="button" role="menuitem" key={emoji} aria-label={name} title={name} onClick={() => { onChoose(emoji); }}>
          {emoji}
        </button>
      ))}
    </div>
  );
}
