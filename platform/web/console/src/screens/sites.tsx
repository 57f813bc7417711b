/** The screen: sites. */

import type { JSX } from "preact";

export function Sites(): JSX.Element {
  return <div />;
}
