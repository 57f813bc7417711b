/** The screen: search. */

import type { JSX } from "preact";

export function Search(): JSX.Element {
  return <div />;
}
