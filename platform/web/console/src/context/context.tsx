/** What is known beside a conversation: the person, the case, earlier conversations. */

import type { JSX } from "preact";

export function Context({ room }: { room: string }): JSX.Element {
  return <div data-room={room} />;
}
