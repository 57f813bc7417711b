/** The screen: audit. */

import type { JSX } from "preact";

export function Audit(): JSX.Element {
  return <div />;
}
