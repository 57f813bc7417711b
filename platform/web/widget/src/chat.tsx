/** The chat: what the loader fetches when somebody shows intent. */

import { render } from "preact";
import tokens from "@deskbell/ui/tokens.css?inline";
import { Icon } from "@deskbell/ui/icon.tsx";
import { bell } from "@deskbell/ui/drawings.ts";

/** Draw the chat into the widget's shadow root. */
export function start(root: ShadowRoot): void {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(tokens);
  root.adoptedStyleSheets = [sheet];
  render(<Icon of={bell} />, root);
}
