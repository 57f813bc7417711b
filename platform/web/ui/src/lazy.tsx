/**
 * Parts of a face that are fetched when they are first shown.
 *
 * One that does not come is asked for again whenever {@link again} is called, by a button or because the connection
 * stands again, and after a while by itself as long as somebody wants it. It is never given up.
 */

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

const AGAIN_MS = 5000;

const round = signal(0);
let waiting: ReturnType<typeof setTimeout> | undefined;

/** Ask once more for what did not come. */
export function again(): void {
  waiting = undefined;
  round.value++;
}

/** What `fetch` brings, once it is here; null: it did not come at the last try. Who reads it asks for it. */
export function fetched<T, Given extends unknown[]>(fetch: (...given: Given) => Promise<T>): (...given: Given) => T | null | undefined {
  const part = signal<T | null>();
  let asked = -1;
  return (...given) => {
    if (!part.value && asked !== round.value) {
      asked = round.value;
      fetch(...given).then(
        (it) => {
          part.value = it;
        },
        () => {
          waiting ??= setTimeout(again, AGAIN_MS);
          part.value = null;
        },
      );
    }
    return part.value;
  };
}

/** Draws `Instead`, or nothing, until `fetch` has brought the part, for which it waits until it is the `moment`. */
export function lazy<Props extends object>(
  fetch: (props: Props) => Promise<FunctionComponent<Props>>,
  moment: Moment = atOnce,
  Instead?: FunctionComponent<Props & { failed: boolean }>,
): FunctionComponent<Props> {
  const part = fetched((props: Props) => moment().then(() => fetch(props)));
  return function Lazy(props: Props): JSX.Element | null {
    const Draw = part(props);
    return Draw ? <Draw {...props} /> : Instead ? <Instead {...props} failed={Draw === null} /> : null;
  };
}
