/** What the loader gives to the chat, and what it asks of it. */

import type { Dress } from "./dress.ts";
import type { Call, HostEvents } from "./host.ts";
import type { Keep } from "./keep.ts";
import type { Kit } from "./kit.ts";
import type { Launcher } from "./launcher.ts";

export interface Frame {
  /** The desk's address, without `/api/v1`. */
  desk: string;
  siteKey: string;
  root: ShadowRoot;
  /** Around launcher and panel: carries theme, colours, language and text size. */
  wrapper: HTMLElement;
  launcher: Launcher;
  dress: Dress;
  keep: Keep;
  kit: Kit;
  /** The language the page has asked for in its tag. */
  locale: string | undefined;
  /** What the desk tells of the site, asked again when it is older than a minute; undefined: it does not say. */
  site(): Promise<unknown>;
  /** The desk has another build by now: put its chat in the place of this one. */
  renew: () => void;
  emit<Name extends keyof HostEvents>(name: Name, event: HostEvents[Name]): void;
}

export interface Chat {
  perform(call: Call): void;
  /** Be gone from the page, and leave what is kept to the next chat. */
  vacate: () => Promise<void>;
}

/** What the chat's file exports. */
export interface ChatFile {
  start(frame: Frame): Chat;
}
