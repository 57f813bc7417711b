/** The screen: moderation. */

import type { JSX } from "preact";

export function Moderation(): JSX.Element {
  return <div />;
}
