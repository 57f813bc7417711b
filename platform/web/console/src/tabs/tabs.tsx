/**
 * Open conversations above the thread, from the second one on: who it is, what was said last, and whether somebody
 * writes or has written. A middle click, the cross or Delete closes one; arrows move between them.
 */

import "./tabs.css";
import { x } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { LastLine, nameOf } from "../list/row.tsx";
import { rowOf } from "../lists.ts";
import { width } from "../panes.ts";
import { preferences } from "../preferences.ts";
import type { Row } from "../records.ts";
import { linkTo, place } from "../route.ts";
import { useDesk } from "../use-desk.ts";
import { t } from "../words.ts";
import type { Open } from "./open.ts";

export function Tabs({ open }: { open: Open }): JSX.Element | null {
  const desk = useDesk();
  const rooms = open.rooms.value;
  if (!preferences.value.tabs || rooms.length < 2 || width.value === "narrow") return null;
  const first = rooms.includes(desk.selected.value ?? "") ? desk.selected.value : rooms[0];
  return (
    <nav class="tabs" aria-label={t("tabs.label")} onKeyDown={(event) => { key(event, open); }}>
      <ul>
        {rooms.map((room) => (
          <Tab room={room} open={open} reached={room === first} key={room} />
        ))}
      </ul>
    </nav>
  );
}

function Tab({ room, open, reached }: { room: string; open: Open; reached: boolean }): JSX.Element {
  const desk = useDesk();
  const now = place.value;
  const list = now.screen === "inbox" ? now.list : "mine";
  const row = lineOf(desk.caseOf(room), desk.conversations.byRoom.value.get(room), room);
  const name = nameOf(row);
  const pulse = open.pulse(room);
  const writes = open.typing.value.has(room);
  const shown = desk.selected.value === room;
  const here = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (shown) here.current?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [shown]);
  return (
    <li
      ref={here}
      class={`tab-of ${shown ? "on" : ""} ${pulse} ${open.passing.value === room ? "passing" : ""}`}
      onPointerDown={(event) => { if (event.button === 1) event.preventDefault(); }}
      onMouseDown={(event) => { if (event.button === 1) event.preventDefault(); }}
      onAuxClick={(event) => {
        if (event.button !== 1) return;
        event.preventDefault();
        open.close(room);
      }}
    >
      <a {...linkTo({ screen: "inbox", list, room })} data-tab={room} tabIndex={reached ? 0 : -1} aria-current={shown ? "true" : undefined} title={name} draggable={false}>
        <span class="name">
          <span class="dot" aria-hidden="true" />
          <span class="cut" dir="auto">{name}</span>
        </span>
        <span class="unseen">{t(`tabs.${pulse}`)}</span>
        {writes ? (
          <span class="last writes">
            <span class="dots" aria-hidden="true"><i /><i /><i /></span>
            <span class="cut">{t("tabs.writes")}</span>
          </span>
        ) : (
          <LastLine row={row} />
        )}
      </a>
      <button type="button" class="ib" tabIndex={-1} aria-label={t("tabs.close", { name })} title={t("tabs.close", { name })} onClick={() => { open.close(room); }}>
        <Icon of={x} size={13} />
      </button>
    </li>
  );
}

function lineOf(of: Parameters<typeof rowOf>[0] | undefined, talk: Row | undefined, room: string): Row {
  return of ? rowOf(of) : (talk ?? { room });
}

function key(event: KeyboardEvent, open: Open): void {
  const nav = event.currentTarget as HTMLElement;
  const all = [...nav.querySelectorAll<HTMLElement>("[data-tab]")];
  const at = all.indexOf(event.target as HTMLElement);
  if (at < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
  const forward = getComputedStyle(nav).direction === "rtl" ? "ArrowLeft" : "ArrowRight";
  const step = event.key === forward ? 1 : event.key === "ArrowRight" || event.key === "ArrowLeft" ? -1 : 0;
  const to = event.key === "Home" ? 0 : event.key === "End" ? all.length - 1 : step ? (at + step + all.length) % all.length : -1;
  if (to >= 0) {
    all[to]?.focus();
  } else if (event.key === "Delete" || event.key === "Backspace") {
    const next = (all[at + 1] ?? all[at - 1])?.dataset["tab"];
    open.close(all[at]?.dataset["tab"] ?? "");
    requestAnimationFrame(() => { [...nav.querySelectorAll<HTMLElement>("[data-tab]")].find((one) => one.dataset["tab"] === next)?.focus(); });
  } else {
    return;
  }
  event.preventDefault();
  event.stopPropagation();
}
