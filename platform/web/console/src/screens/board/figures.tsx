/** Five figures, divided by hairlines: each with what makes sense of it, and the last two hours as a line where known. */

import { bell, bot, warn } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { ComponentChildren, JSX } from "preact";
import { useDesk } from "../../use-desk.ts";
import { t, texts } from "../../words.ts";
import { elapsed, since } from "../parts/moments.ts";
import type { Board } from "../shapes.ts";
import { line } from "./shape.ts";

interface FigureProps {
  name: string;
  icon?: string;
  figure: ComponentChildren;
  /** Beside the figure, smaller. */
  of?: string | undefined;
  below: ComponentChildren;
  late?: boolean;
  spark?: number[] | undefined;
  tone?: "bell" | "bot" | "plain";
}

function Figure({ name, icon, figure, of, below, late = false, spark, tone = "plain" }: FigureProps): JSX.Element {
  return (
    <div class={late ? "bo-fig late" : "bo-fig"}>
      <h2>{icon && <Icon of={icon} size={16} />} {name}</h2>
      <strong class="num">{figure}{of && <small>{of}</small>}</strong>
      {spark && spark.length > 1 && <Spark values={spark} tone={tone} />}
      <p>{below}</p>
    </div>
  );
}

/** Decoration: the charts below say the same with words and axes. */
function Spark({ values, tone }: { values: number[]; tone: string }): JSX.Element {
  const { path, last } = line(values, 84, 26, Math.max(...values, 1));
  return (
    <svg class={`bo-spark ${tone}`} viewBox="0 0 84 30" aria-hidden="true" focusable="false">
      <g transform="translate(0 3)">
        <path class="area" d={`${path}V27H0Z`} />
        <path d={path} />
        <circle cx={last.x} cy={last.y} r="2.5" />
      </g>
    </svg>
  );
}

export function Figures({ board }: { board: Board }): JSX.Element {
  const { now } = useDesk();
  const language = texts.language.value;
  const { today, target_s: targetS } = board;
  const longest = board.longest_waiting_since ? since(board.longest_waiting_since, now.value) : undefined;
  const late = longest !== undefined && targetS > 0 && longest > targetS * 1000;
  const alone = today.opened > 0 ? today.by_bot_alone / today.opened : undefined;
  const seconds = (s: number | null): string => (s === null ? "–" : elapsed(s * 1000));
  return (
    <div class="bo-figs">
      <Figure name={t("screens.board.waiting")} icon={bell} figure={board.waiting} below={t("screens.board.escalated_today", { n: today.escalated })} spark={today.per_slot.map((slot) => slot.escalated)} tone="bell" />
      <Figure
        name={t("screens.board.longest")}
        figure={longest === undefined ? "–" : elapsed(longest)}
        of={targetS > 0 ? t("screens.board.of_target", { target: elapsed(targetS * 1000) }) : undefined}
        late={late}
        below={late ? <span class="bo-late"><Icon of={warn} size={13} /> {t("screens.board.late")}</span> : t(today.late === 0 ? "screens.board.never_late" : "screens.board.late_today", { n: today.late })}
        spark={today.per_slot.map((slot) => slot.longest_wait_s)}
        tone="bell"
      />
      <Figure name={t("screens.board.with_room")} figure={board.agents_with_room} of={t("screens.board.of_here", { n: board.agents_here })} below={t("screens.board.free", { n: board.free_places })} />
      <Figure name={t("screens.board.alone")} icon={bot} figure={alone === undefined ? "–" : new Intl.NumberFormat(language, { style: "percent" }).format(alone)} below={t("screens.board.alone_of", { n: today.by_bot_alone, of: today.opened })} spark={today.per_slot.map((slot) => Math.max(0, slot.opened - slot.escalated))} tone="bot" />
      <Figure name={t("screens.board.first_reply")} figure={seconds(today.first_reply_median_s)} below={today.first_reply_p90_s === null ? t("screens.board.no_reply_yet") : t("screens.board.within", { time: seconds(today.first_reply_p90_s) })} />
    </div>
  );
}
