/** The top strip: search and commands, who waits, the connection, one's own load and whether one takes more. */

import { bell, down, left, lines, search } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { JSX } from "preact";
import { AvailabilityMenu } from "./availability.tsx";
import { drawer } from "./panes.ts";
import { show } from "./overlays.ts";
import { Keys } from "./parts/keycaps.tsx";
import { go, linkTo, place } from "./route.ts";
import { tryNow } from "./session.ts";
import { useDesk } from "./use-desk.ts";
import { t } from "./words.ts";

export function Top(): JSX.Element {
  const desk = useDesk();
  const now = place.value;
  const waiting = desk.countOf("queue");
  return (
    <header class="top">
      {now.screen === "inbox" && now.room !== undefined && (
        <button type="button" class="ib back" aria-label={t("top.back")} onClick={() => { go({ screen: "inbox", list: now.list }); }}>
          <Icon of={left} mirrors />
        </button>
      )}
      <button
        type="button"
        class="ib drawer"
        aria-label={t("views.label")}
        aria-expanded={drawer.value === "views"}
        onClick={() => {
          drawer.value = drawer.value === "views" ? undefined : "views";
        }}
      >
        <Icon of={lines} />
      </button>
      <span class="brand" dir="auto">
        {desk.tenant.value || t("app.name")}
      </span>
      <button type="button" class="find" onClick={() => { show({ kind: "menu" }); }}>
        <Icon of={search} size={16} />
        <span class="cut">{t("top.find")}</span>
        <Keys command="window.menu" />
      </button>
      <span class="push" />
      {waiting !== undefined && waiting > 0 && (
        <a class="pill bell" {...linkTo({ screen: "inbox", list: "queue" })}>
          <Icon of={bell} size={16} />
          <span class="num">{t("top.waiting", { n: waiting })}</span>
        </a>
      )}
      <Connection />
      <Load />
      <AvailabilityMenu arrow={<Icon of={down} size={16} />} />
    </header>
  );
}

function Connection(): JSX.Element {
  const desk = useDesk();
  const state = desk.online.value;
  return (
    <>
      <span class={`pill line ${state}`} role="status">
        <span class="dot" aria-hidden="true" />
        <span class="word">{t(`live.${state}`)}</span>
      </span>
      {state === "reconnecting" && <button type="button" class="btn sm" onClick={() => { tryNow(desk.client); }}>{t("live.try")}</button>}
    </>
  );
}

/** How many conversations one has of how many one should; only where the server tells the latter. */
function Load(): JSX.Element | null {
  const desk = useDesk();
  const capacity = desk.agents.value.find(({ user }) => user.id === desk.me.value.user.id)?.capacity;
  const load = desk.countOf("mine");
  if (capacity === undefined || load === undefined) return null;
  const words = t("top.load", { n: load, all: capacity });
  return (
    <span class="pill load" role="img" aria-label={t("top.load.label", { n: load, all: capacity })}>
      {capacity <= 10 && (
        <span class="pips">
          {Array.from({ length: capacity }, (_, at) => (
            <i class={at < load ? (load >= capacity ? "full" : "on") : ""} key={at} />
          ))}
        </span>
      )}
      <span class="num">{words}</span>
    </span>
  );
}
