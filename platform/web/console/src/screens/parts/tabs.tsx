/**
 * Tabs as readers and keys know them: arrows move, one is chosen, the panel is named by its tab. Those of a screen are
 * part of the address, so that a reload and a link come back to the same one.
 */

import type { ComponentChildren, JSX } from "preact";
import { useId, useRef } from "preact/hooks";
import { go, place } from "../../route.ts";

/** Which tab of the present screen is shown, and how to show another; what the address does not name is the first. */
export function useTab<K extends string>(keys: readonly [K, ...K[]]): [K, (key: K) => void] {
  const now = place.value;
  const named = now.screen === "inbox" || now.screen === "search" ? undefined : now.tab;
  const chosen = keys.find((key) => key === named) ?? keys[0];
  const choose = (key: K): void => {
    if (now.screen !== "inbox" && now.screen !== "search") go(key === keys[0] ? { screen: now.screen } : { screen: now.screen, tab: key }, { replace: true });
  };
  return [chosen, choose];
}

interface TabsProps<K extends string> {
  label: string;
  /** Key, word, and a count where there is one. */
  tabs: readonly (readonly [K, string, string?])[];
  chosen: K;
  choose: (key: K) => void;
  children: ComponentChildren;
  /** Beside the tabs, at their end. */
  end?: ComponentChildren;
}

export function Tabs<K extends string>({ label, tabs, chosen, choose, children, end }: TabsProps<K>): JSX.Element {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  function pressed(event: KeyboardEvent): void {
    const forward = getComputedStyle(event.currentTarget as HTMLElement).direction === "rtl" ? "ArrowLeft" : "ArrowRight";
    const back = forward === "ArrowRight" ? "ArrowLeft" : "ArrowRight";
    const by = event.key === forward ? 1 : event.key === back ? -1 : 0;
    if (by === 0) return;
    event.preventDefault();
    const at = tabs.findIndex(([key]) => key === chosen);
    const next = tabs[(at + by + tabs.length) % tabs.length];
    if (!next) return;
    choose(next[0]);
    list.current?.querySelector<HTMLElement>(`[data-tab="${next[0]}"]`)?.focus();
  }
  return (
    <>
      <div class="sc-tabs">
        <div role="tablist" aria-label={label} ref={list} onKeyDown={pressed} class="sc-tablist">
          {tabs.map(([key, word, count]) => (
            <button key={key} type="button" role="tab" id={`${id}-${key}`} data-tab={key} aria-controls={`${id}-panel`} aria-selected={key === chosen} tabIndex={key === chosen ? 0 : -1} onClick={() => { choose(key); }}>
              {word} {count && <small>{count}</small>}
            </button>
          ))}
        </div>
        {end}
      </div>
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${chosen}`} class="sc-panel">
        {children}
      </div>
    </>
  );
}
