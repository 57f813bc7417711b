/** How the connection stands, when it does not stand: one line that pushes the content and never covers it. */

import type { JSX } from "preact";
import { effect } from "@preact/signals";
import { idle, lazy } from "@deskbell/ui/lazy.tsx";
import type { Widget } from "./widget.ts";

/** The conversation comes first, where one is shown soon. */
const PATIENCE_MS = 3000;

function calm(widget: Widget): Promise<unknown> {
  return new Promise((go) => {
    setTimeout(go, PATIENCE_MS);
    effect(() => { if (widget.session.value.drawn.value) go(idle()); });
  });
}

/** Fetched while the connection stands: it could not be fetched without one. */
const Outage = lazy<{ widget: Widget }>(async ({ widget }) => {
  await calm(widget);
  const { Outage: made, teach } = await import("./outage.tsx");
  await teach(widget.texts);
  return made;
});

export function Strip({ widget }: { widget: Widget }): JSX.Element {
  // The region is always there: what appears within one that is new is not read out everywhere.
  return <div role="status"><Outage widget={widget} /></div>;
}
