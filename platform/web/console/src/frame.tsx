/** The frame: rail, top strip, views, list, thread and context on an inbox; one sheet on every other screen. */

import type { JSX } from "preact";
import { Context } from "./context/context.tsx";
import { lazy } from "./lazy.tsx";
import { place } from "./route.ts";
import { Thread } from "./thread/thread.tsx";

const SCREENS = {
  board: lazy(async () => (await import("./screens/board.tsx")).Board),
  search: lazy(async () => (await import("./screens/search.tsx")).Search),
  people: lazy(async () => (await import("./screens/people.tsx")).People),
  sites: lazy(async () => (await import("./screens/sites.tsx")).Sites),
  plugins: lazy(async () => (await import("./screens/plugins.tsx")).Plugins),
  moderation: lazy(async () => (await import("./screens/moderation.tsx")).Moderation),
  audit: lazy(async () => (await import("./screens/audit.tsx")).Audit),
  settings: lazy(async () => (await import("./screens/settings.tsx")).Settings),
};

export function Frame(): JSX.Element {
  const now = place.value;
  if (now.screen !== "inbox") {
    const Screen = SCREENS[now.screen];
    return (
      <main class="sheet">
        <Screen />
      </main>
    );
  }
  return (
    <main class="sheet">
      {now.room && <Thread room={now.room} key={now.room} />}
      {now.room && <Context room={now.room} key={now.room} />}
    </main>
  );
}
