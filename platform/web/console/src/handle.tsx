/** The handle between two panes: dragged, or moved by arrow keys; the width stays for next time. */

import type { JSX } from "preact";
import { prefer, preferences, type Preferences } from "./preferences.ts";
import { t } from "./words.ts";

type Pane = keyof Preferences["widths"];

const BOUNDS: Readonly<Record<Pane, [number, number]>> = { views: [180, 280], list: [280, 440], context: [280, 460] };
const STEP = 16;

interface HandleProps {
  pane: Pane;
  /** The pane lies after the handle, so that it grows the other way. */
  after?: boolean;
}

export function Handle({ pane, after = false }: HandleProps): JSX.Element {
  const now = preferences.value.widths[pane];
  const [least, most] = BOUNDS[pane];
  const set = (wanted: number): void => {
    prefer({ widths: { ...preferences.peek().widths, [pane]: Math.round(Math.min(most, Math.max(least, wanted))) } });
  };
  /** Pixels to the unit that grows with the text, towards a wider pane. */
  const scale = (): number => (16 / parseFloat(getComputedStyle(document.documentElement).fontSize)) * (document.documentElement.dir === "rtl" ? -1 : 1) * (after ? -1 : 1);

  const drag = (event: PointerEvent): void => {
    if (event.button !== 0 || !(event.currentTarget instanceof HTMLElement)) return;
    const handle = event.currentTarget;
    event.preventDefault();
    handle.setPointerCapture(event.pointerId);
    const from = event.clientX;
    const move = (moved: PointerEvent): void => {
      set(now + (moved.clientX - from) * scale());
    };
    const end = (): void => {
      handle.removeEventListener("pointermove", move);
      handle.removeEventListener("pointerup", end);
      handle.removeEventListener("pointercancel", end);
    };
    handle.addEventListener("pointermove", move);
    handle.addEventListener("pointerup", end);
    handle.addEventListener("pointercancel", end);
  };

  return (
    <div
      class={`handle of-${pane}`}
      role="separator"
      tabIndex={0}
      aria-orientation="vertical"
      aria-label={t(`handle.${pane}`)}
      aria-valuenow={now}
      aria-valuemin={least}
      aria-valuemax={most}
      onPointerDown={drag}
      onKeyDown={(event) => {
        const by = event.key === "ArrowRight" ? STEP : event.key === "ArrowLeft" ? -STEP : 0;
        if (!by) return;
        event.preventDefault();
        set(now + Math.sign(scale()) * by);
      }}
    />
  );
}
