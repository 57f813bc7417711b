/** The screen: board. */

import type { JSX } from "preact";

export function Board(): JSX.Element {
  return <div />;
}
