/** A part of the chat that is fetched when it is first shown. */

import type { FunctionComponent, JSX } from "preact";
import { signal } from "@preact/signals";

/** When to fetch. */
export type Moment = () => Promise<void>;

export const atOnce: Moment = () => Promise.resolve();

/** When what is on the screen is drawn and the page has nothing else to do. */
export const idle: Moment = () =>
  new Promise((go) => {
    requestAnimationFrame(() => {
      // Safari has no idle time to tell of.
      if ("requestIdleCallback" in globalThis) requestIdleCallback(() => { go(); }, { timeout: 1000 });
      else setTimeout(go, 100);
    });
    // No frame is drawn for a page that nobody sees.
    setTimeout(go, 2000);
  });

/**
 * Draws nothing until `fetch` has brought the part, for which it waits until it is the `moment`. One that does not come
 * is asked for again when it is shown again.
 */
export function lazy<Props extends object>(fetch: (props: Props) => Promise<FunctionComponent<Props>>, moment: Moment = atOnce): FunctionComponent<Props> {
  const part = signal<{ draw: FunctionComponent<Props> } | undefined>(undefined);
  let asked: Promise<void> | undefined;
  return function Lazy(props: Props): JSX.Element | null {
    asked ??= moment().then(() => fetch(props)).then(
      (draw) => {
        part.value = { draw };
      },
      () => {
        asked = undefined;
      },
    );
    const Draw = part.value?.draw;
    return Draw ? <Draw {...props} /> : null;
  };
}
