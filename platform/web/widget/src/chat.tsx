/** The chat: what the loader fetches when somebody shows intent. */

import { render } from "preact";
import tokens from "@deskbell/ui/tokens.css?inline";
import type { Chat, Frame } from "./frame.ts";
import { Panel } from "./panel.tsx";
import panelStyles from "./panel.css?inline";
import screenStyles from "./screens.css?inline";
import { adopt, dress } from "./sheets.ts";
import { Widget } from "./widget.ts";

/** Draw the chat beside the launcher, closed. */
export function start(frame: Frame): Chat {
  const { root, wrapper } = frame;
  dress(root);
  for (const css of [withinReach(tokens), panelStyles, screenStyles]) adopt(css);
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
  return widget;
}

/** The tokens on our own wrapper: what is set on the host element, a page could overrule with `* {…}`. */
function withinReach(css: string): string {
  return css.replace(/:root\s*,\s*/g, "").replace(/:host(?:\(([^)]*)\))?/g, ".desk$1");
}
