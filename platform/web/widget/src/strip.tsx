/** How the connection stands, when it does not stand: one line that pushes the content and never covers it. */

import type { JSX } from "preact";
import { idle, lazy } from "@deskbell/ui/lazy.tsx";
import type { Widget } from "./widget.ts";

/** Fetched while the connection stands: it could not be fetched without one. */
const Outage = lazy<{ widget: Widget }>(async ({ widget }) => {
  const { Outage: made, teach } = await import("./outage.tsx");
  await teach(widget.texts);
  return made;
}, idle);

export function Strip({ widget }: { widget: Widget }): JSX.Element {
  // The region is always there: what appears within one that is new is not read out everywhere.
  return <div role="status"><Outage widget={widget} /></div>;
}
