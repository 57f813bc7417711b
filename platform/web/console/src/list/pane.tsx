/** The list pane: which conversations, narrowed and sorted how, and what is done with several of them. */

import "./list.css";
import { sort as sortGlyph } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { JSX } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";
import type { Desk } from "../desk.ts";
import { prefer, preferences } from "../preferences.ts";
import { narrowed } from "../lists.ts";
import { Popover } from "../parts/popover.tsx";
import type { ListName, Sort } from "../records.ts";
import { linkTo } from "../route.ts";
import { useDesk } from "../use-desk.ts";
import { t } from "../words.ts";
import { Bulk } from "./bulk.tsx";
import { FilterForm, Narrowed } from "./filter.tsx";
import { nameOfList } from "./names.ts";
import { Rows } from "./rows.tsx";
import { picked, pickNone, shownRooms } from "./shown.ts";

const TABS = ["mine", "queue", "all"] as const;
const SORTS: readonly Sort[] = ["waiting", "activity", "created", "priority"];
const QUIET_MS = 200;

export function ListPane({ list }: { list: ListName }): JSX.Element {
  const desk = useDesk();
  const rows = desk.lists(list).value;
  useEffect(() => pickNone, [list]);
  useEffect(() => {
    if (list === "mentions") void desk.readMentions();
  }, [desk, list]);
  const filter = { ...desk.filterOf(list), ...narrowed.value };
  const older = filter.view === "resolved";
  const wanted = JSON.stringify(filter);
  const more = useCallback(() => void desk.older.more(JSON.parse(wanted) as typeof filter), [desk, wanted]);
  useEffect(() => {
    if (older) more();
  }, [older, more]);
  const plain = list !== "bot" && list !== "mentions";

  return (
    <section class="list pane" aria-label={t("list.label")}>
      <div class="l-tabs">
        {(TABS as readonly string[]).includes(list) ? (
          TABS.map((name) => (
            <a {...linkTo({ screen: "inbox", list: name })} aria-current={name === list ? "page" : undefined} key={name}>
              {t(`list.${name}`)}
              <span class="c">{desk.countOf(name) ?? ""}</span>
            </a>
          ))
        ) : (
          <h2 class="cut">
            {nameOfList(desk, list)}
            <span class="c">{older ? "" : rows.length || ""}</span>
          </h2>
        )}
        {plain && (
          <span class="end">
            <FilterForm list={list} />
            <SortMenu />
          </span>
        )}
      </div>
      {plain && <Narrowed list={list} />}
      {rows.length > 0 ? <Rows list={list} rows={rows} key={list} onEnd={older ? more : undefined} /> : <Nothing list={list} more={more} />}
      {picked.value.size > 0 && <Bulk />}
    </section>
  );
}

function SortMenu(): JSX.Element {
  const { sort } = preferences.value;
  return (
    <Popover button={<Icon of={sortGlyph} mirrors />} class="ib" label={t("sort.label", { how: t(`sort.${sort}`) })} align="end">
      {(close) =>
        SORTS.map((how) => (
          <button
            type="button"
            role="menuitemradio"
            aria-checked={how === sort}
            key={how}
            onClick={() => {
              prefer({ sort: how });
              close();
            }}
          >
            {t(`sort.${how}`)}
            <span class="end">{how === sort ? "✓" : ""}</span>
          </button>
        ))
      }
    </Popover>
  );
}

/** Why a list is empty: it is being read, it could not be, it is narrowed to nothing, or nothing is there. */
function Nothing({ list, more }: { list: ListName; more: () => void }): JSX.Element {
  const desk = useDesk();
  const older = desk.filterOf(list).view === "resolved" ? desk.older.state.value : undefined;
  const state = desk.loading.value;
  const busy = older === "asking" || (state === "loading" && !desk.store.complete.value);
  const quiet = useQuiet(busy);
  useEffect(() => {
    shownRooms.value = [];
  }, [list]);
  if (busy) return <div class="rows">{!quiet && <div class="loading" role="status" aria-label={t("app.loading")} />}</div>;
  if (state === "failed" || older === "failed") {
    return (
      <div class="l-empty trouble" role="alert">
        <p>{t("list.failed")}</p>
        <button type="button" class="btn" onClick={older === "failed" ? more : () => void desk.read()}>
          {t("list.again")}
        </button>
      </div>
    );
  }
  return <p class="l-empty">{t(Object.keys(narrowed.value).length ? "list.none.narrowed" : noneOf(desk, list))}</p>;
}

function noneOf(desk: Desk, list: ListName) {
  if (list.startsWith("team:")) return "list.none.team";
  if (list.startsWith("view:")) return nameOfList(desk, list) === t("views.gone") ? "list.none.gone" : "list.none.view";
  return `list.none.${list as "mine"}` as const;
}

/** True for the first moment: what comes within 200 ms needs no grey lines before it. */
function useQuiet(busy: boolean): boolean {
  const [quiet, setQuiet] = useState(true);
  useEffect(() => {
    setQuiet(true);
    if (!busy) return;
    const timer = setTimeout(() => {
      setQuiet(false);
    }, QUIET_MS);
    return () => {
      clearTimeout(timer);
    };
  }, [busy]);
  return quiet;
}
