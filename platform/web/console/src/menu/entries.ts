/** What the command menu offers, page by page: actions, conversations, people, screens; or the answers to one question. */

import { box, bot, chat, check, people, person, search, tag, up } from "@deskbell/ui/drawings.ts";
import { plain } from "@deskbell/ui/markup.ts";
import { doAll, mergeTargets } from "../bulk.ts";
import { commands, type Group, possible } from "../commands.ts";
import type { Desk } from "../desk.ts";
import { channelGlyph, nameOf } from "../list/row.tsx";
import { rowOf } from "../lists.ts";
import type { Overlay } from "../overlays.ts";
import { priorityName } from "../parts/marks.tsx";
import type { Agent, CaseRow } from "../records.ts";
import { go, goToRoom } from "../route.ts";
import { type Key, t } from "../words.ts";
import { fuzzy } from "./fuzzy.ts";

export type Page = NonNullable<Extract<Overlay, { kind: "menu" }>["page"]> | "note";

export interface Entry {
  id: string;
  title: string;
  marks: [number, number][];
  group: Key;
  icon: string;
  small?: string;
  /** A command whose keys are shown. */
  command?: string;
  owner?: CaseRow;
  checked?: boolean;
  /** Goes on with another question instead of closing. */
  stays?: boolean;
  run: () => void;
}

type Draft = Omit<Entry, "marks"> & { words?: string };

const MOST: Readonly<Record<string, number>> = { "menu.conversations": 6, "menu.people": 4 };
const GROUPS: Readonly<Record<Group, Key>> = {
  case: "menu.actions", conversation: "menu.actions", list: "menu.actions", go: "menu.screens", window: "menu.actions",
};
const ORDER: readonly Key[] = ["menu.actions", "menu.conversations", "menu.people", "menu.teams", "menu.labels", "menu.cases", "menu.screens", "menu.more"];

export function entriesOf(desk: Desk, page: Page | undefined, cases: readonly CaseRow[], query: string, then: (to: { agent: string } | { team: string }) => void): Entry[] {
  const offered = page === undefined ? everything(desk, query) : answers(desk, page, cases, then);
  const found: { entry: Entry; score: number }[] = [];
  for (const { words, ...draft } of offered) {
    const hit = fuzzy(query, draft.title) ?? (words !== undefined && query ? withoutMarks(fuzzy(query, words)) : undefined);
    if (hit) found.push({ entry: { ...draft, marks: hit.marks }, score: hit.score });
  }
  found.sort((one, other) => ORDER.indexOf(one.entry.group) - ORDER.indexOf(other.entry.group) || other.score - one.score);
  const seen: Record<string, number> = {};
  return found.flatMap(({ entry }) => ((seen[entry.group] = (seen[entry.group] ?? 0) + 1) <= (page === undefined ? (MOST[entry.group] ?? Infinity) : Infinity) ? [entry] : []));
}

function withoutMarks(hit: { score: number } | undefined): { score: number; marks: [number, number][] } | undefined {
  return hit && { score: hit.score - 30, marks: [] };
}

function everything(desk: Desk, query: string): Draft[] {
  const acts = [...commands.peek().values()]
    .filter((command) => !command.silent && possible(command))
    .map((command): Draft => ({
      id: command.id,
      title: t(command.title),
      group: GROUPS[command.group],
      icon: command.icon ?? (command.group === "go" ? box : check),
      command: command.id,
      run: command.run,
    }));
  if (!query.trim()) return acts;
  const conversations = [...desk.cases.peek().values()].map((row): Draft => {
    const line = rowOf(row);
    return {
      id: row.id,
      title: nameOf(line),
      words: `${nameOf(line)} ${row.last?.text ?? ""}`,
      ...(row.last && { small: plain(row.last.text) }),
      group: "menu.conversations",
      icon: channelGlyph(row.channel_type),
      owner: row,
      run: () => { goToRoom(row.room); },
    };
  });
  const talks = desk.conversations.items.peek().filter(({ room }) => !desk.caseOf(room)).map((item): Draft => ({
    id: item.room,
    title: nameOf(item),
    ...(item.last && { small: plain(item.last.text) }),
    group: "menu.conversations",
    icon: bot,
    run: () => { goToRoom(item.room, { list: "bot" }); },
  }));
  const room = desk.selected.peek();
  const row = room === undefined ? undefined : desk.caseOf(room);
  const persons = row && row.status !== "resolved" ? agents(desk, (agent) => void desk.act.assign(row, agent), (name) => t("menu.assign-to", { name })) : [];
  const more: Draft = {
    id: "search", title: t("menu.search", { q: query.trim() }), group: "menu.more", icon: search, words: query,
    run: () => { go({ screen: "search", q: query.trim() }); },
  };
  return [...acts, ...conversations, ...talks, ...persons, more];
}

function agents(desk: Desk, run: (agent: string) => void, title: (name: string) => string): Draft[] {
  const me = desk.me.peek().user;
  // Who can take it comes first.
  const ready = ({ status, accepting, load, capacity }: Agent): number => (status === "online" ? 0 : status === "offline" ? 4 : 2) + (accepting && load < capacity ? 0 : 1);
  const others = desk.agents.peek().filter(({ user }) => user.id !== me.id).sort((one, other) => ready(one) - ready(other));
  const self: Draft = { id: me.id, title: title(t("menu.me", { name: me.name })), words: me.name, group: "menu.people", icon: person, run: () => { run(me.id); } };
  return [
    self,
    ...others.map(({ user, status, load, capacity }): Draft => ({
      id: user.id,
      title: title(user.name),
      small: `${t(`presence.${status}`)} · ${t("top.load", { n: load, all: capacity })}`,
      group: "menu.people",
      icon: person,
      run: () => { run(user.id); },
    })),
  ];
}

/** The answers to a question about cases; one of them is the answer for all. */
function answers(desk: Desk, page: Page, cases: readonly CaseRow[], then: (to: { agent: string } | { team: string }) => void): Draft[] {
  const ids = cases.map(({ id }) => id);
  const [one] = cases;
  const single = cases.length === 1 ? one : undefined;
  switch (page) {
    case "assign":
      return agents(desk, (agent) => void (single ? desk.act.assign(single, agent) : doAll(desk, ids, (row) => desk.act.bare.assign(row, agent))), (name) => name);
    case "transfer":
      return [
        ...agents(desk, (agent) => { then({ agent }); }, (name) => name).filter(({ id }) => id !== desk.me.peek().user.id),
        ...desk.teams.peek().map(({ slug, name }): Draft => ({ id: slug, title: name, group: "menu.teams", icon: people, stays: true, run: () => { then({ team: slug }); } })),
      ].map((draft) => ({ ...draft, stays: true }));
    case "labels":
      return desk.labels.peek().filter(({ retired }) => !retired).map(({ id, name }): Draft => {
        const on = cases.length > 0 && cases.every(({ labels }) => labels.includes(id));
        const set = (row: CaseRow): string[] => (on ? row.labels.filter((label) => label !== id) : [...row.labels, id]);
        return {
          id, title: name, group: "menu.labels", icon: tag, checked: on, stays: single !== undefined,
          run: () => void (single ? desk.act.labels(desk.cases.peek().get(single.id) ?? single, set(single)) : doAll(desk, ids, (row) => desk.act.bare.label(row, id))),
        };
      });
    case "priority":
      return [0, 1, 2].map((priority): Draft => ({
        id: String(priority), title: priorityName(priority), group: "menu.priority", icon: up, checked: one?.priority === priority,
        run: () => { if (one) void desk.act.priority(one, priority); },
      }));
    case "merge":
      return (cases.length > 1 ? cases : one ? mergeTargets(desk, one) : []).map((into): Draft => ({
        id: into.id, title: nameOf(rowOf(into)), ...(into.last && { small: plain(into.last.text) }), group: "menu.cases", icon: chat,
        run: () => void doAll(desk, ids.filter((id) => id !== into.id), (row) => desk.act.bare.merge(row, into.id)),
      }));
    case "note":
      return [];
  }
}
