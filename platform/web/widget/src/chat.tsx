/** The chat: what the loader fetches when somebody shows intent. */

import { render } from "preact";
import { signal } from "@preact/signals";
import { Texts } from "@deskbell/ui/texts.ts";
import tokens from "@deskbell/ui/tokens.css?inline";
import { Conversation } from "./conversation.tsx";
import { keepIn } from "./keep.ts";
import { Session } from "./session.ts";
import { siteFrom } from "./site.ts";
import { english } from "./texts/en.ts";

/** Draw the chat into the widget's shadow root. */
export function start(root: ShadowRoot, desk: string, siteKey: string): void {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(tokens);
  root.adoptedStyleSheets = [sheet];
  const session = new Session({
    desk,
    siteKey,
    site: signal(siteFrom({})),
    texts: new Texts(english),
    keep: keepIn("localStorage", siteKey),
    shown: signal(true),
  });
  void session.begin();
  render(<Conversation session={session} />, root);
}
