/** The screen: plugins. */

import type { JSX } from "preact";

export function Plugins(): JSX.Element {
  return <div />;
}
