/** The rows of a list: only those in sight are drawn, thousands are no burden, and none moves under the pointer. */

import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { rowOf } from "../lists.ts";
import { preferences } from "../preferences.ts";
import type { ListName, Row } from "../records.ts";
import { useDesk } from "../use-desk.ts";
import { t } from "../words.ts";
import { ListRow } from "./row.tsx";
import { held, type Line, linesOf, picked, roomsOf, settled, shownRooms } from "./shown.ts";
import { inSight, lineAt, tops } from "./window.ts";

const HEIGHTS = { expanded: 74, condensed: 56, group: 34 };
const AROUND_PX = 400;
/** This near to the end, more is asked for. */
const NEAR_PX = 600;

export function Rows({ list, rows, onEnd }: { list: ListName; rows: readonly Row[]; onEnd?: (() => void) | undefined }): JSX.Element {
  const desk = useDesk();
  const box = useRef<HTMLDivElement>(null);
  const before = useRef<readonly Line[] | undefined>(undefined);
  const [{ scrolled, height }, setSight] = useState({ scrolled: 0, height: 900 });
  const { density, sort } = preferences.value;
  const me = desk.me.value.user.id;

  const live = useMemo(() => linesOf(list, rows, sort, me), [list, rows, sort, me]);
  const { lines, waiting } = settled(before.current, live, held.value);
  before.current = lines;
  const rooms = useMemo(() => roomsOf(lines), [lines]);
  const unit = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
  const starts = useMemo(() => tops(lines.map((line) => unit * ("room" in line ? HEIGHTS[density] : HEIGHTS.group))), [lines, density, unit]);
  const { first, end } = inSight(starts, scrolled, height, AROUND_PX);
  const byRoom = useMemo(() => new Map(rows.map((row) => [row.room, row])), [rows]);
  const above = useNewAbove(rooms, starts, lines, scrolled, box);

  useEffect(() => {
    shownRooms.value = rooms;
  }, [rooms]);

  useEffect(() => {
    const seen = box.current;
    if (!seen) return;
    const look = (): void => {
      setSight({ scrolled: seen.scrollTop, height: seen.clientHeight });
    };
    look();
    const watched = new ResizeObserver(look);
    watched.observe(seen);
    seen.addEventListener("scroll", look, { passive: true });
    const keyed = (): void => {
      held.value = false;
    };
    addEventListener("keydown", keyed);
    return () => {
      watched.disconnect();
      seen.removeEventListener("scroll", look);
      removeEventListener("keydown", keyed);
      held.value = false;
    };
  }, []);

  useEffect(() => {
    if (onEnd && scrolled + height > (starts.at(-1) ?? 0) - NEAR_PX) onEnd();
  }, [onEnd, scrolled, height, starts.at(-1)]);

  // The row that is opened by key stays in sight.
  const selected = desk.selected.value;
  useEffect(() => {
    const at = lines.findIndex((line) => "room" in line && line.room === selected);
    const seen = box.current;
    if (at < 0 || !seen) return;
    const [top = 0, bottom = 0] = [starts[at], starts[at + 1]];
    if (top < seen.scrollTop) seen.scrollTop = Math.max(0, top - (at === 1 ? (starts[1] ?? 0) : 0));
    else if (bottom > seen.scrollTop + seen.clientHeight) seen.scrollTop = bottom - seen.clientHeight;
  }, [selected, list]);

  const fresh = waiting + above.count;
  let at = roomsOf(lines.slice(0, first)).length;
  return (
    <div class={picked.value.size ? "rows picking" : "rows"}>
      {fresh > 0 && (
        <button
          type="button"
          class="newpill"
          onClick={() => {
            held.value = false;
            above.seen();
            if (box.current) box.current.scrollTop = 0;
          }}
        >
          {t("list.new", { n: fresh })}
        </button>
      )}
      <div
        class="scroll"
        ref={box}
        onPointerMove={(event) => {
          if (event.pointerType === "mouse") held.value = true;
        }}
        onPointerLeave={() => {
          held.value = false;
        }}
      >
        <ul style={{ height: `${starts.at(-1) ?? 0}px` }}>
          {lines.slice(first, end).map((line, index) => {
            const top = starts[first + index] ?? 0;
            if ("group" in line) {
              return (
                <li class="grp" key={line.group} style={{ top: `${top}px` }}>
                  <span>{t(`list.group.${line.group}`)}</span>
                  <span class="num">{line.count}</span>
                </li>
              );
            }
            const row = byRoom.get(line.room) ?? left(desk.caseOf(line.room), line.room);
            return <ListRow key={line.room} row={row} top={top} at={++at} of={rooms.length} gone={!byRoom.has(line.room)} />;
          })}
        </ul>
      </div>
    </div>
  );
}

/** A row that has left the list while the pointer holds it. */
function left(of: Parameters<typeof rowOf>[0] | undefined, room: string): Row {
  return of ? rowOf(of) : { room };
}

/** Rows that came above what is in sight: they push nothing down, and are counted until somebody looks. */
function useNewAbove(rooms: string[], starts: number[], lines: readonly Line[], scrolled: number, box: { current: HTMLDivElement | null }): { count: number; seen: () => void } {
  const [unseen, setUnseen] = useState<ReadonlySet<string>>(new Set());
  const last = useRef<{ rooms: readonly string[]; anchor: string | undefined; offset: number } | undefined>(undefined);

  useLayoutEffect(() => {
    const seen = box.current;
    const before = last.current;
    if (!seen || !before || seen.scrollTop < 1) return;
    const at = before.anchor === undefined ? -1 : lines.findIndex((line) => "room" in line && line.room === before.anchor);
    if (at < 0) return;
    const known = new Set(before.rooms);
    const fresh = roomsOf(lines.slice(0, at)).filter((room) => !known.has(room));
    const target = (starts[at] ?? 0) + before.offset;
    if (Math.abs(target - seen.scrollTop) > 1) seen.scrollTop = target;
    if (fresh.length) setUnseen(new Set([...unseen, ...fresh]));
  }, [rooms]);

  useEffect(() => {
    const seen = box.current;
    if (!seen) return;
    let at = lineAt(starts, seen.scrollTop);
    let line = lines[at];
    if (line && !("room" in line)) line = lines[++at];
    const anchor = line && "room" in line ? line.room : undefined;
    last.current = { rooms, anchor, offset: seen.scrollTop - (starts[at] ?? 0) };
    if (seen.scrollTop < 1 && unseen.size) setUnseen(new Set());
  });

  const count = scrolled < 1 || unseen.size === 0 ? 0 : rooms.filter((room) => unseen.has(room)).length;
  return {
    count,
    seen: () => {
      setUnseen(new Set());
    },
  };
}
