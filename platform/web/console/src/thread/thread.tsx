/** One conversation: its header, its messages, and where one writes. */

import type { JSX } from "preact";

export function Thread({ room }: { room: string }): JSX.Element {
  return <div data-room={room} />;
}
