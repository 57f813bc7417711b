/** A part of the chat that is fetched when it is first shown. */

import type { FunctionComponent, JSX } from "preact";
import { signal } from "@preact/signals";

/**
 * Draws nothing until `fetch` has brought the part; `sheet` is adopted where it is shown. One that does not come is
 * asked for again when it is shown again.
 */
export function lazy<Props extends object>(fetch: () => Promise<FunctionComponent<Props>>): FunctionComponent<Props> {
  const part = signal<{ draw: FunctionComponent<Props> } | undefined>(undefined);
  let asked: Promise<void> | undefined;
  return function Lazy(props: Props): JSX.Element | null {
    asked ??= fetch().then(
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
