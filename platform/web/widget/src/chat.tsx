/** The chat: what the loader fetches when somebody shows intent. */

import { render } from "preact";
import { effect } from "@preact/signals";
import { whenGone } from "@deskbell/ui/bring.ts";
import tokens from "@deskbell/ui/tokens.css?inline";
import type { Chat, Frame } from "./frame.ts";
import { Panel } from "./panel.tsx";
import panelStyles from "./panel.css?inline";
import screenStyles from "./screens.css?inline";
import { withinReach } from "./reach.ts";
import { adopt, dress } from "./sheets.ts";
import { Widget } from "./widget.ts";

/** Draw the chat beside the launcher, closed. */
export function start(frame: Frame): Chat {
  const { root, wrapper } = frame;
  dress(root);
  for (const css of [import.meta.env.DEV ? withinReach(tokens) : tokens, panelStyles, screenStyles]) adopt(css);
  const place = document.createElement("div");
  wrapper.prepend(place);
  // A page's own keys ("/" to search) would take what is typed here for theirs: they cannot see the field.
  for (const kind of ["keydown", "keyup", "keypress"]) {
    root.addEventListener(kind, (event) => {
      event.stopPropagation();
    });
  }
  const widget = new Widget(frame);
  render(<Panel widget={widget} />, place);
  whenGone(frame.renew);
  return Object.assign(widget, {
    vacate: async () => {
      // Whoever is just beginning goes on in the next chat.
      await new Promise<void>((go) => effect(() => { if (!widget.busy.value) go(); }));
      render(null, place);
      place.remove();
      widget.session.value.close();
    },
  });
}
