/** The frame: rail, top strip, views, list, thread and context on an inbox; one sheet on every other screen. */

import "./frame.css";
import type { JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { Context } from "./context/context.tsx";
import { coreCommands } from "./core-commands.ts";
import { Handle } from "./handle.tsx";
import { listen } from "./keys.ts";
import { lazy } from "./lazy.tsx";
import { CaughtUp } from "./list/caught-up.tsx";
import { nameOfList } from "./list/names.ts";
import { ListPane } from "./list/pane.tsx";
import { Notices } from "./notices.ts";
import { contextShown, drawer, focusMode, followWidth, width } from "./panes.ts";
import { Overlays } from "./above.tsx";
import { preferences } from "./preferences.ts";
import { Rail } from "./rail.tsx";
import { place } from "./route.ts";
import { tabCommands } from "./tabs/commands.ts";
import { Open } from "./tabs/open.ts";
import { Tabs } from "./tabs/tabs.tsx";
import { Thread } from "./thread/thread.tsx";
import { Top } from "./top.tsx";
import { useDesk } from "./use-desk.ts";
import { Views } from "./views.tsx";
import { t } from "./words.ts";
import { register } from "./commands.ts";

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
  const desk = useDesk();
  const open = useMemo(() => new Open(desk), [desk]);
  useEffect(() => {
    const notices = new Notices(desk);
    const ends = [followWidth(), listen(), register(...coreCommands(desk), ...tabCommands(desk, open)), notices.start(), open.start()];
    return () => {
      for (const end of ends) end();
    };
  }, [desk]);
  const now = place.value;
  const { widths, viewsOpen } = preferences.value;
  const inbox = now.screen === "inbox";
  const views = inbox && (width.value === "wide" ? viewsOpen && !focusMode.value : drawer.value === "views");
  const style = { "--views": `calc(${widths.views} * var(--u))`, "--list": `calc(${widths.list} * var(--u))`, "--context": `calc(${widths.context} * var(--u))` };
  return (
    <div class={`app ${width.value}${views ? " with-views" : ""}`} style={style}>
      <Rail />
      <Top />
      {views && (
        <>
          {drawer.value === "views" && <Scrim />}
          <Views>{width.value === "wide" && <Handle pane="views" />}</Views>
        </>
      )}
      {inbox ? <Inbox open={open} /> : <Screen name={now.screen} />}
      <Overlays />
    </div>
  );
}

function Screen({ name }: { name: keyof typeof SCREENS }): JSX.Element {
  const Found = SCREENS[name];
  return (
    <main class="sheet one" key={name}>
      <Found />
    </main>
  );
}

function Inbox({ open }: { open: Open }): JSX.Element | null {
  const desk = useDesk();
  const now = place.value;
  if (now.screen !== "inbox") return null;
  const { room } = now;
  const one = width.value === "narrow";
  const list = one ? room === undefined : !(focusMode.value && room !== undefined);
  const context = room !== undefined && contextShown.value;
  return (
    <main class={`sheet inbox${list ? " with-list" : ""}${context && width.value === "wide" ? " with-context" : ""}`}>
      <h1 class="unseen">{nameOfList(desk, now.list)}</h1>
      {list && <ListPane list={now.list} />}
      {list && !one && <Handle pane="list" />}
      {(room !== undefined || !one) && (
        <div class="pane thread-pane">
          <Tabs open={open} />
          {room === undefined ? <CaughtUp list={now.list} /> : <Thread room={room} key={room} />}
        </div>
      )}
      {context && (
        <>
          {width.value === "wide" ? <Handle pane="context" after /> : <Scrim />}
          <aside class="pane context-pane" aria-label={t("context.pane")}>
            <Context room={room} key={room} />
          </aside>
        </>
      )}
    </main>
  );
}

/** Behind a drawer; a press on it closes. */
function Scrim(): JSX.Element {
  return (
    <button
      type="button"
      class="scrim"
      aria-label={t("app.close")}
      tabIndex={-1}
      onClick={() => {
        drawer.value = undefined;
      }}
    />
  );
}
