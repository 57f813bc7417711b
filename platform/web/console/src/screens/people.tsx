/** The screen: people. */

import type { JSX } from "preact";

export function People(): JSX.Element {
  return <div />;
}
