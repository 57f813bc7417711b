/** The rail: the areas of the console that this agent has. */

import { bell, book, gear, help, inbox, people, plug, queue, search, shield, box } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { JSX } from "preact";
import { show } from "./overlays.ts";
import type { Me } from "./records.ts";
import { linkTo, place, type Place, type ScreenName } from "./route.ts";
import { useDesk } from "./use-desk.ts";
import { t } from "./words.ts";

type Area = "inbox" | ScreenName;

const GLYPHS: Readonly<Record<Area, string>> = {
  inbox, board: queue, search, people, sites: box, plugins: plug, moderation: shield, audit: book, settings: gear,
};

/** Which areas a role has; what the server would refuse is not offered. */
export function areasOf(role: Me["role"]): Area[] {
  if (role === "admin") return ["inbox", "board", "search", "people", "sites", "plugins", "moderation", "audit"];
  if (role === "supervisor") return ["inbox", "board", "search", "moderation"];
  return ["inbox", "search", "moderation"];
}

export function placeOfArea(area: Area): Place {
  if (area === "inbox") return { screen: "inbox", list: "mine" };
  return area === "search" ? { screen: area, q: "" } : { screen: area };
}

export function Rail(): JSX.Element {
  const { role } = useDesk().me.value;
  return (
    <nav class="rail" aria-label={t("rail.label")}>
      <a class="logo" {...linkTo(placeOfArea("inbox"))} aria-label={t("app.name")} tabIndex={-1}>
        <Icon of={bell} />
      </a>
      {areasOf(role).map((area) => (
        <Door area={area} key={area} />
      ))}
      <span class="sp" />
      <button type="button" class="door keys-help" aria-label={t("shortcuts.title")} title={t("shortcuts.title")} onClick={() => { show({ kind: "shortcuts" }); }}>
        <Icon of={help} />
      </button>
      <Door area="settings" />
    </nav>
  );
}

function Door({ area }: { area: Area }): JSX.Element {
  const name = t(`screen.${area}`);
  return (
    <a class="door" {...linkTo(placeOfArea(area))} aria-label={name} title={name} aria-current={place.value.screen === area ? "page" : undefined}>
      <Icon of={GLYPHS[area]} />
    </a>
  );
}
