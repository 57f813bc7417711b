/**
 * The supervisor's board: who waits, who answers, and how today goes. It is read every few seconds while it is seen, and
 * soon after a case changes; the waits go on by the second. The wall view is the same, larger, for a screen on a wall.
 */

import { side } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Agent } from "../records.ts";
import { useDesk } from "../use-desk.ts";
import { t } from "../words.ts";
import { Answering } from "./board/answering.tsx";
import { LongestWait, Reasons, Started } from "./board/charts.tsx";
import { Figures } from "./board/figures.tsx";
import { InLine } from "./board/in-line.tsx";
import { useGathered, useLoaded, useWhileSeen } from "./parts/loaded.ts";
import { For, Page, Shown } from "./parts/page.tsx";
import { type Items, useRest } from "./rest.ts";
import type { Board as BoardRecord } from "./shapes.ts";
import "./board/board.css";

const ASK_AGAIN_MS = 5000;
/** The server lets one look once a second, on average. */
const GATHER_MS = 1500;

export function Board(): JSX.Element {
  return (
    <For roles={["supervisor", "admin"]} title={t("screens.board.title")}>
      <BoardHere />
    </For>
  );
}

/** Midnight, as the clock on this wall shows it. */
function dayBegan(): string {
  const now = new Date();
  return new Date(now.getFullYear(), now.getMonth(), now.getDate()).toISOString();
}

function BoardHere(): JSX.Element {
  const rest = useRest();
  const desk = useDesk();
  const [wall, setWall] = useState(false);
  const [team, setTeam] = useState("");
  const board = useLoaded(() => rest<BoardRecord>("GET", `/board?since=${encodeURIComponent(dayBegan())}`), []);
  const agents = useLoaded(async () => (await rest<Items<Agent>>("GET", "/agents")).items, []);
  const again = (): void => {
    void board.again();
    void agents.again();
  };
  const soon = useGathered(again, GATHER_MS);
  useWhileSeen(again, ASK_AGAIN_MS);
  useEffect(() => {
    const ends = [desk.client.on("case", soon), desk.client.on("presence", soon), desk.client.on("live", soon)];
    return () => {
      for (const end of ends) end();
    };
  }, [desk, soon]);
  useEffect(() => {
    if (!wall) return;
    const leave = (event: KeyboardEvent): void => {
      if (event.key === "Escape") setWall(false);
    };
    const left = (): void => {
      if (!document.fullscreenElement) setWall(false);
    };
    document.addEventListener("keydown", leave);
    document.addEventListener("fullscreenchange", left);
    return () => {
      document.removeEventListener("keydown", leave);
      document.removeEventListener("fullscreenchange", left);
    };
  }, [wall]);

  async function toggleWall(): Promise<void> {
    setWall(!wall);
    try {
      if (!wall) await document.documentElement.requestFullscreen();
      else if (document.fullscreenElement) await document.exitFullscreen();
    } catch {
      // Then it fills the window.
    }
  }

  const live = desk.online.value === "live";
  return (
    <Page
      title={t("screens.board.title")}
      class={wall ? "bo wall" : "bo"}
      lead={<span role="status">{live ? t("screens.board.live") : t("screens.board.not_live")}</span>}
      actions={
        <>
          {desk.teams.value.length > 1 && (
            <select class="field bo-team" aria-label={t("screens.board.team")} value={team} onChange={(event) => { setTeam(event.currentTarget.value); }}>
              <option value="">{t("screens.board.all_teams")}</option>
              {desk.teams.value.map((one) => <option key={one.slug} value={one.slug}>{one.name}</option>)}
            </select>
          )}
          <button type="button" class="btn" aria-pressed={wall} onClick={() => void toggleWall()}>
            <Icon of={side} size={16} /> {wall ? t("screens.board.wall_end") : t("screens.board.wall")}
          </button>
        </>
      }
    >
      <Shown of={board} lines={9}>
        {(now) => (
          <>
            <Figures board={now} />
            <div class="bo-mid">
              <InLine board={now} team={team} agents={agents.value ?? []} changed={again} />
              <Answering board={now} agents={agents.value} team={team} />
            </div>
            <div class="bo-charts">
              <Started slots={now.today.per_slot} />
              <LongestWait slots={now.today.per_slot} targetS={now.target_s} />
              <Reasons reasons={now.today.reasons} escalated={now.today.escalated} />
            </div>
          </>
        )}
      </Shown>
    </Page>
  );
}
