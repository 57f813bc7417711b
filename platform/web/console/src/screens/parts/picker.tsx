/** Choose by typing: a field, and below it what fits. Arrows move, Enter chooses, Escape gives up. */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { isComposing } from "@deskbell/ui/composing.ts";
import { fieldDir } from "@deskbell/ui/texts.ts";
import { t } from "../../words.ts";

export interface Option {
  id: string;
  name: string;
  icon?: ComponentChildren;
  /** Beside the name, smaller. */
  more?: string | undefined;
  /** One of several that are chosen already. */
  chosen?: boolean;
}

interface PickerProps {
  label: string;
  options: Option[];
  choose: (id: string) => unknown;
  close: () => void;
  /** What is chosen can be several; it stays open. */
  several?: boolean;
}

/** Options whose name holds all words typed; those that begin with them first. */
export function fitting(options: readonly Option[], typed: string): Option[] {
  const words = typed.toLocaleLowerCase().split(/\s+/u).filter(Boolean);
  const fits = options.filter(({ name }) => words.every((word) => name.toLocaleLowerCase().includes(word)));
  const first = words[0];
  return first === undefined ? fits : fits.sort((a, b) => Number(b.name.toLocaleLowerCase().startsWith(first)) - Number(a.name.toLocaleLowerCase().startsWith(first)));
}

export function Picker({ label, options, choose, close, several = false }: PickerProps): JSX.Element {
  const id = useId();
  const [typed, type] = useState("");
  const [at, move] = useState(0);
  const box = useRef<HTMLDivElement>(null);
  const field = useRef<HTMLInputElement>(null);
  const found = fitting(options, typed);
  const on = Math.min(at, found.length - 1);

  useEffect(() => {
    field.current?.focus();
    const away = (event: Event): void => {
      if (!box.current?.contains(event.target as Node)) close();
    };
    // Not at once: the click that opened it is still under way.
    const timer = setTimeout(() => {
      document.addEventListener("pointerdown", away);
    });
    return () => {
      clearTimeout(timer);
      document.removeEventListener("pointerdown", away);
    };
  }, []);
  useEffect(() => {
    box.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }, [on]);

  function pressed(event: KeyboardEvent): void {
    event.stopPropagation();
    if (isComposing(event)) return;
    if (event.key === "ArrowDown") move(Math.min(found.length - 1, on + 1));
    else if (event.key === "ArrowUp") move(Math.max(0, on - 1));
    else if (event.key === "Enter" && found[on]) void choose(found[on].id);
    else if (event.key === "Escape" || event.key === "Tab") close();
    else return;
    if (event.key !== "Tab") event.preventDefault();
  }

  return (
    <div class="pop sc-picker" ref={box}>
      <input ref={field} class="field" dir={fieldDir(typed)} role="combobox" aria-expanded="true" aria-autocomplete="list" aria-controls={`${id}-list`} aria-activedescendant={found[on] ? `${id}-${on}` : undefined} aria-label={label} placeholder={t("screens.pick")} value={typed} onInput={(event) => { type(event.currentTarget.value); move(0); }} onKeyDown={pressed} />
      <div id={`${id}-list`} role="listbox" aria-label={label} aria-multiselectable={several} onMouseDown={(event) => { event.preventDefault(); /* the focus stays in the field */ }}>
        {found.map((option, index) => (
          <div key={option.id} id={`${id}-${index}`} role="option" aria-selected={index === on} aria-checked={several ? Boolean(option.chosen) : undefined} onPointerMove={() => { move(index); }} onClick={() => void choose(option.id)}>
            {several && <input type="checkbox" tabIndex={-1} aria-hidden="true" checked={Boolean(option.chosen)} readOnly />}
            {option.icon}
            <span class="cut" dir="auto">{option.name}</span>
            {option.more && <small class="end">{option.more}</small>}
          </div>
        ))}
      </div>
      {found.length === 0 && <p class="sc-faint" role="status">{t("screens.pick_none")}</p>}
    </div>
  );
}
