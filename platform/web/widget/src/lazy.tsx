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

const AGAIN_MS = 3000;

/** What `fetch` brings, once it is here; who reads it asks for it, and again after a while if it does not come. */
export function fetched<T, Given extends unknown[]>(fetch: (...given: Given) => Promise<T>): (...given: Given) => T | undefined {
  const part = signal<{ it?: T }>({});
  let asked: Promise<void> | undefined;
  return (...given) => {
    asked ??= fetch(...given).then(
      (it) => {
        part.value = { it };
      },
      () => {
        setTimeout(() => {
          asked = undefined;
          part.value = {};
        }, AGAIN_MS);
      },
    );
    return part.value.it;
  };
}

/** Draws nothing until `fetch` has brought the part, for which it waits until it is the `moment`. */
export function lazy<Props extends object>(fetch: (props: Props) => Promise<FunctionComponent<Props>>, moment: Moment = atOnce): FunctionComponent<Props> {
  const part = fetched((props: Props) => moment().then(() => fetch(props)));
  return function Lazy(props: Props): JSX.Element | null {
    const Draw = part(props);
    return Draw ? <Draw {...props} /> : null;
  };
}
