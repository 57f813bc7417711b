/** Who answers: status, load against capacity, teams; and the assistant, with how many conversations it has now. */

import type { JSX } from "preact";
import type { Agent } from "../../records.ts";
import { useDesk } from "../../use-desk.ts";
import { t } from "../../words.ts";
import { Face } from "../parts/face.tsx";
import { Waiting } from "../parts/page.tsx";
import type { Board } from "../shapes.ts";

export function Answering({ board, agents, team }: { board: Board; agents: Agent[] | undefined; team: string }): JSX.Element {
  const desk = useDesk();
  const named = new Map(desk.teams.value.map((one) => [one.slug, one.name]));
  const order = { online: 0, busy: 1, away: 2, offline: 3 };
  const shown = (agents ?? [])
    .filter((agent) => !team || agent.teams.includes(team))
    .sort((a, b) => order[a.status] - order[b.status] || Number(b.accepting) - Number(a.accepting) || a.user.name.localeCompare(b.user.name));
  const here = shown.filter((agent) => agent.status !== "offline" || agent.load > 0);
  const away = shown.length - here.length;
  const taken = here.reduce((sum, agent) => sum + agent.load, 0);
  const places = here.reduce((sum, agent) => sum + agent.capacity, 0);
  return (
    <section class="bo-people" aria-label={t("screens.board.answering")}>
      <h2>{t("screens.board.answering")} <small>{t("screens.board.places", { n: taken, of: places })}</small></h2>
      {agents === undefined && <Waiting lines={4} />}
      <ul>
        {here.map((agent) => (
          <li key={agent.user.id} class={agent.status === "offline" || agent.status === "away" ? "away" : ""}>
            <Face of={agent.user} size="m" status={agent.accepting ? agent.status : agent.status === "online" ? "busy" : agent.status} />
            <span class="bo-agent">
              <b class="cut" dir="auto">{agent.user.name}</b>
              <small class="cut" dir="auto">{[stateOf(agent), ...agent.teams.map((slug) => named.get(slug) ?? slug)].join(" · ")}</small>
            </span>
            <Load agent={agent} />
          </li>
        ))}
        <li>
          <Face of={{ id: "", kind: "bot", name: "", avatar: null }} />
          <span class="bo-agent">
            <b>{t("screens.board.assistant")}</b>
            <small>{t("screens.board.assistant_all")}</small>
          </span>
          <span class="num">{t("screens.board.bot_now", { n: board.bot_conversations })}</span>
        </li>
      </ul>
      {away > 0 && <p class="sc-faint bo-away">{t("screens.board.offline", { n: away })}</p>}
    </section>
  );
}

function stateOf(agent: Agent): string {
  if (agent.status !== "online") return t(`screens.status.${agent.status}`);
  return agent.accepting ? t("screens.board.accepting") : t("screens.board.not_accepting");
}

function Load({ agent }: { agent: Agent }): JSX.Element {
  const { load, capacity } = agent;
  const full = capacity > 0 && load >= capacity;
  return (
    <span class="bo-load">
      <span class="pips" aria-hidden="true">
        {Array.from({ length: Math.min(capacity, 10) }, (_, at) => <i key={at} class={at < load ? (full ? "full" : "on") : ""} />)}
      </span>
      <span class="num muted">{full ? t("screens.board.full", { n: load, of: capacity }) : t("screens.board.load", { n: load, of: capacity })}</span>
    </span>
  );
}
