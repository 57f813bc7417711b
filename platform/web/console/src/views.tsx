/** The views column: the lists everybody has, teams, and saved views, each with how many are in it. */

import { at, bell, bot, check, filter, inbox, moon, more, pencil, people, trash } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import { known } from "./acts.ts";
import { focused } from "./list/filter.tsx";
import { nameOfList } from "./list/names.ts";
import { Keys } from "./parts/keycaps.tsx";
import { Popover } from "./parts/popover.tsx";
import { show } from "./overlays.ts";
import type { ListName, View } from "./records.ts";
import { go, linkTo, place } from "./route.ts";
import { say } from "./sayings.ts";
import { useDesk } from "./use-desk.ts";
import { t } from "./words.ts";

const COMMON: readonly [ListName, string][] = [
  ["mine", inbox],
  ["queue", bell],
  ["bot", bot],
  ["mentions", at],
  ["snoozed", moon],
  ["resolved", check],
];

/** `children`: what else belongs to the column, such as the handle at its edge. */
export function Views({ children }: { children?: ComponentChildren }): JSX.Element {
  const desk = useDesk();
  const teams = desk.teams.value.filter((team) => team.mine || desk.isLead);
  const common = COMMON.filter(([list]) => list !== "mentions" || desk.mentions.value !== undefined);
  return (
    <nav class="views" aria-label={t("views.label")}>
      <ul>
        {common.map(([list, glyph]) => (
          <Item list={list} glyph={glyph} key={list} />
        ))}
      </ul>
      {teams.length > 0 && (
        <div>
          <h2>{t("views.teams")}</h2>
          <ul>
            {teams.map(({ slug }) => (
              <Item list={`team:${slug}`} glyph={people} key={slug} />
            ))}
          </ul>
        </div>
      )}
      {desk.views.value.length > 0 && (
        <div>
          <h2>{t("views.saved")}</h2>
          <ul>
            {desk.views.value.map((view) => (
              <Saved view={view} key={view.id} />
            ))}
          </ul>
        </div>
      )}
      <button type="button" class="foot" onClick={() => { show({ kind: "shortcuts" }); }}>
        <Keys command="window.shortcuts" /> {t("shortcuts.title")}
      </button>
      {children}
    </nav>
  );
}

function Item({ list, glyph, children }: { list: ListName; glyph: string; children?: ComponentChildren }): JSX.Element {
  const desk = useDesk();
  const now = place.value;
  const current = now.screen === "inbox" && now.list === list;
  const count = list === "resolved" ? undefined : desk.countOf(list);
  return (
    <li class={children ? "saved" : ""}>
      <a {...linkTo({ screen: "inbox", list })} aria-current={current ? "page" : undefined}>
        <Icon of={glyph} size={16} />
        <span class="cut" dir="auto">
          {nameOfList(desk, list)}
        </span>
        {count !== undefined && <span class={list === "queue" && count > 0 ? "c bell" : "c"}>{count >= 1000 ? t("views.many") : count}</span>}
      </a>
      {children}
    </li>
  );
}

function Saved({ view }: { view: View }): JSX.Element {
  const desk = useDesk();
  const [renaming, setRenaming] = useState(false);
  const [name, setName] = useState(view.name);
  const mayChange = !view.shared || desk.isLead;

  const ask = async (method: string, body?: unknown): Promise<void> => {
    try {
      await desk.rest(method, `/views/${view.id}`, body);
      await desk.readViews();
    } catch (thrown) {
      say(desk.act.reason(known(thrown)), { bad: true });
    }
  };
  if (renaming) {
    return (
      <li>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            setRenaming(false);
            if (name.trim() && name !== view.name) void ask("PATCH", { name: name.trim() });
          }}
          onKeyDown={(event) => {
            if (event.key === "Escape") setRenaming(false);
          }}
        >
          <input class="field" aria-label={t("views.name")} value={name} maxLength={80} ref={focused} onInput={(event) => { setName(event.currentTarget.value); }} />
        </form>
      </li>
    );
  }
  return (
    <Item list={`view:${view.id}`} glyph={filter}>
      {mayChange && (
        <Popover button={<Icon of={more} size={16} />} class="ib" label={t("views.change", { name: view.name })} align="end">
          {(close) => (
            <>
              <button type="button" role="menuitem" onClick={() => { close(); setRenaming(true); }}>
                <Icon of={pencil} size={16} /> {t("views.rename")}
              </button>
              <button
                type="button"
                role="menuitem"
                onClick={() => {
                  close();
                  const now = place.value;
                  if (now.screen === "inbox" && now.list === `view:${view.id}`) go({ screen: "inbox", list: "mine" });
                  void ask("DELETE");
                }}
              >
                <Icon of={trash} size={16} /> {t("views.delete")}
              </button>
            </>
          )}
        </Popover>
      )}
    </Item>
  );
}
