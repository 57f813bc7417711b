/** How the connection stands, when it does not stand: one line that pushes the content and never covers it. */

import type { JSX } from "preact";
import { idle, lazy, type Moment } from "@deskbell/ui/lazy.tsx";
import type { Widget } from "./widget.ts";

/** The conversation comes first. */
const PATIENCE_MS = 3000;

const calm: Moment = async () => {
  await new Promise((go) => setTimeout(go, PATIENCE_MS));
  await idle();
};

/** Fetched while the connection stands: it could not be fetched without one. */
const Outage = lazy<{ widget: Widget }>(async ({ widget }) => {
  const { Outage: made, teach } = await import("./outage.tsx");
  await teach(widget.texts);
  return made;
}, calm);

export function Strip({ widget }: { widget: Widget }): JSX.Element {
  // The region is always there: what appears within one that is new is not read out everywhere.
  return <div role="status"><Outage widget={widget} /></div>;
}
