/** One part of the pane: a title that folds it, and while the pane is being arranged, ways up and down. */

import { down, right, up } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { ComponentChildren, JSX } from "preact";
import { useId } from "preact/hooks";
import { t } from "../words.ts";
import { arrange, arrangement, moved, type SectionName } from "./arrangement.ts";

interface SectionProps {
  name: SectionName;
  title: string;
  /** Beside the title: a count, a word of what is inside. */
  end?: ComponentChildren;
  arranging: boolean;
  shown: readonly SectionName[];
  children: ComponentChildren;
}

export function Section({ name, title, end, arranging, shown, children }: SectionProps): JSX.Element {
  const id = useId();
  const { folded, order } = arrangement.value;
  const open = !folded.includes(name);
  const at = order.filter((one) => shown.includes(one)).indexOf(name);
  return (
    <section class="cx-sec" aria-labelledby={`${id}-title`}>
      <h2>
        <button type="button" id={`${id}-title`} aria-expanded={open} aria-controls={`${id}-body`} onClick={() => { arrange({ folded: open ? [...folded, name] : folded.filter((one) => one !== name) }); }}>
          {title}
          <span class="cx-end cut">{end}</span>
          <Icon of={open ? down : right} size={13} mirrors={!open} />
        </button>
        {arranging && (
          <span class="cx-move">
            <button type="button" class="ib" disabled={at <= 0} aria-label={t("screens.context.up", { name: title })} onClick={() => { arrange({ order: moved(order, name, -1, shown) }); }}>
              <Icon of={up} size={16} />
            </button>
            <button type="button" class="ib" disabled={at >= shown.length - 1} aria-label={t("screens.context.down", { name: title })} onClick={() => { arrange({ order: moved(order, name, 1, shown) }); }}>
              <Icon of={down} size={16} />
            </button>
          </span>
        )}
      </h2>
      {open && <div id={`${id}-body`} class="cx-body">{children}</div>}
    </section>
  );
}

/** A list of facts: what, and what it is. */
export function Facts({ of }: { of: readonly (readonly [string, ComponentChildren])[] }): JSX.Element {
  return (
    <dl class="cx-facts">
      {of.map(([name, value]) => (
        <>
          <dt dir="auto" class="cut" title={name}>{name.replaceAll("_", " ")}</dt>
          <dd><span dir="auto" class="cx-wrap">{value}</span></dd>
        </>
      ))}
    </dl>
  );
}
