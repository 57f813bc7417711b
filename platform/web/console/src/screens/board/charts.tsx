/**
 * Charts drawn by hand. Each says its message in its label, and has its numbers as a table for those who cannot see it.
 * Tone is joined by hatching, so that no colour has to be told from another.
 */

import type { JSX, RefObject } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { reasonWord } from "../../reasons.ts";
import { t, texts } from "../../words.ts";
import { clockTime, elapsed } from "../parts/moments.ts";
import type { Slot } from "../shapes.ts";
import { bars, line, roundUp } from "./shape.ts";

/** Units of the drawings are pixels, so that words and lines are alike in all of them; their width is what there is. */
const H = 132;
const TOP = 8;
const FLOOR = 110;
const LEFT = 22;
const FIRST_W = 360;

/** How many pixels wide a drawing is. */
function useWidth(): [RefObject<SVGSVGElement | null>, number] {
  const drawing = useRef<SVGSVGElement>(null);
  const [width, setWidth] = useState(FIRST_W);
  useLayoutEffect(() => {
    const drawn = drawing.current;
    if (!drawn) return;
    const look = (): void => {
      setWidth(Math.max(200, Math.round(drawn.clientWidth)));
    };
    look();
    const watch = new ResizeObserver(look);
    watch.observe(drawn);
    return () => {
      watch.disconnect();
    };
  }, []);
  return [drawing, width];
}

export function Started({ slots }: { slots: Slot[] }): JSX.Element {
  const language = texts.language.value;
  const [drawing, width] = useWidth();
  const most = roundUp(Math.max(...slots.map((slot) => slot.opened), 1));
  const height = (n: number): number => ((FLOOR - TOP) * n) / most;
  const alone = (slot: Slot): number => Math.max(0, slot.opened - slot.escalated);
  const opened = slots.reduce((sum, slot) => sum + slot.opened, 0);
  const rang = slots.reduce((sum, slot) => sum + slot.escalated, 0);
  return (
    <figure class="bo-chart" aria-label={t("screens.board.started_says", { n: opened, rang })}>
      <h2>{t("screens.board.started")} <small>{t("screens.board.per_slot")}</small></h2>
      <p class="bo-legend">
        <span><svg viewBox="0 0 12 12" aria-hidden="true"><rect width="12" height="12" rx="2" class="bot" /></svg>{t("screens.board.alone_key")}</span>
        <span><svg viewBox="0 0 12 12" aria-hidden="true"><rect x=".5" y=".5" width="11" height="11" rx="2" class="rang" /></svg>{t("screens.board.rang_key")}</span>
      </p>
      <svg ref={drawing} class="bo-svg" viewBox={`0 0 ${width} ${H}`} aria-hidden="true" focusable="false">
        <defs>
          <pattern id="bo-hatch" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
            <rect width="4" height="4" class="ground" />
            <rect width="2.2" height="4" class="hatch" />
          </pattern>
        </defs>
        {[0, most / 2, most].filter((n) => Number.isInteger(n)).map((n) => (
          <g key={n}>
            <path class="grid" d={`M${LEFT} ${FLOOR - height(n)}H${width}`} />
            <text x="0" y={FLOOR - height(n) + 4}>{n}</text>
          </g>
        ))}
        {bars(slots.length, width - LEFT).map(({ x, width: wide }, at) => {
          const slot = slots[at];
          if (!slot) return null;
          const below = height(alone(slot));
          const above = height(slot.opened - alone(slot));
          return (
            <g key={slot.at}>
              {below > 0 && <rect class="bot" x={LEFT + x} y={FLOOR - below} width={wide} height={below} rx="1.5" />}
              {above > 0 && <rect class="rang" x={LEFT + x} y={FLOOR - below - above - (below > 0 ? 1.5 : 0)} width={wide} height={above} rx="1.5" />}
            </g>
          );
        })}
        <Times slots={slots} width={width} />
      </svg>
      <Numbers caption={t("screens.board.started")} head={[t("screens.board.time"), t("screens.board.alone_key"), t("screens.board.rang_key")]} rows={slots.map((slot) => [clockTime(slot.at, language), String(alone(slot)), String(slot.escalated)])} />
    </figure>
  );
}

export function LongestWait({ slots, targetS }: { slots: Slot[]; targetS: number }): JSX.Element {
  const language = texts.language.value;
  const [drawing, width] = useWidth();
  const waits = slots.map((slot) => slot.longest_wait_s);
  const longest = Math.max(...waits, 0);
  const most = Math.max(longest, targetS * 1.25, 60);
  const { path, points } = line(waits, width - LEFT - 6, FLOOR - TOP - 10, most);
  const target = FLOOR - ((FLOOR - TOP - 10) * targetS) / most;
  const at = waits.indexOf(longest);
  const peak = longest > 0 ? points[at] : undefined;
  const late = targetS > 0 && longest > targetS;
  const says = longest === 0 ? t("screens.board.nobody_waited") : t(late ? "screens.board.wait_says_late" : "screens.board.wait_says", { time: elapsed(longest * 1000), at: slots[at] ? clockTime(slots[at].at, language) : "" });
  const x = (peak?.x ?? 0) + LEFT;
  return (
    <figure class="bo-chart" aria-label={says}>
      <h2>{t("screens.board.longest")} <small>{t("screens.board.minutes")}</small></h2>
      <p class="bo-legend">{says}</p>
      <svg ref={drawing} class="bo-svg" viewBox={`0 0 ${width} ${H}`} aria-hidden="true" focusable="false">
        <path class="grid" d={`M${LEFT} ${FLOOR}H${width}`} />
        <text x="0" y={FLOOR + 4}>0</text>
        {targetS > 0 && (
          <>
            <path class="target" d={`M${LEFT} ${target}H${width}`} />
            <text x="0" y={target + 4}>{Math.round(targetS / 60)}</text>
            <text x={x > width / 2 ? LEFT + 4 : width} y={target - 5} text-anchor={x > width / 2 ? "start" : "end"}>{t("screens.board.target", { time: elapsed(targetS * 1000) })}</text>
          </>
        )}
        <g transform={`translate(${LEFT} ${TOP + 10})`}>
          <path class="area" d={`${path}V${FLOOR - TOP - 10}H0Z`} />
          <path class="wait" d={path} />
          {peak && <circle class={late ? "peak late" : "peak"} cx={peak.x} cy={peak.y} r="4" />}
          {peak && <text class={late ? "late" : ""} x={peak.x + (x > width - 90 ? -9 : 9)} y={peak.y - 3} text-anchor={x > width - 90 ? "end" : "start"}>{late ? t("screens.board.time_late", { time: elapsed(longest * 1000) }) : elapsed(longest * 1000)}</text>}
        </g>
        <Times slots={slots} width={width} />
      </svg>
      <Numbers caption={t("screens.board.longest")} head={[t("screens.board.time"), t("screens.board.longest")]} rows={slots.map((slot) => [clockTime(slot.at, language), elapsed(slot.longest_wait_s * 1000)])} />
    </figure>
  );
}

function Times({ slots, width }: { slots: Slot[]; width: number }): JSX.Element {
  const language = texts.language.value;
  const shown: [number, number, "start" | "middle" | "end"][] = [[0, LEFT, "start"], [Math.floor((slots.length - 1) / 2), LEFT + (width - LEFT) / 2, "middle"], [slots.length - 1, width, "end"]];
  return (
    <>
      {shown.map(([at, x, anchor]) => {
        const slot = slots[at];
        return slot && <text key={anchor} x={x} y="127" text-anchor={anchor}>{clockTime(slot.at, language)}</text>;
      })}
    </>
  );
}

function Numbers({ caption, head, rows }: { caption: string; head: string[]; rows: string[][] }): JSX.Element {
  return (
    <table class="unseen">
      <caption>{caption}</caption>
      <thead><tr>{head.map((word) => <th key={word} scope="col">{word}</th>)}</tr></thead>
      <tbody>{rows.map((row) => <tr key={row[0]}>{row.map((cell, at) => (at ? <td key={at}>{cell}</td> : <th key={at} scope="row">{cell}</th>))}</tr>)}</tbody>
    </table>
  );
}

export function Reasons({ reasons, escalated }: { reasons: { reason: string; count: number }[]; escalated: number }): JSX.Element {
  const most = Math.max(...reasons.map((one) => one.count), 1);
  return (
    <section class="bo-chart" aria-label={t("screens.board.reasons")}>
      <h2>{t("screens.board.reasons")} <small>{t("screens.board.today", { n: escalated })}</small></h2>
      {reasons.length === 0 ? (
        <p class="bo-legend">{t("screens.board.no_reasons")}</p>
      ) : (
        <ul class="bo-why">
          {[...reasons].sort((a, b) => b.count - a.count).slice(0, 8).map(({ reason, count }) => (
            <li key={reason}>
              <span class="cut" dir="auto">{reasonWord(reason)}</span>
              <span class="bo-bar" aria-hidden="true"><i style={{ width: `${(count / most) * 100}%` }} /></span>
              <b class="num">{count}</b>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
