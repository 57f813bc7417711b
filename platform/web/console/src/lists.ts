/**
 * The lists of the inbox: which rows are in each, and in which order. All is worked out here from the cases that are
 * known, so that a list is right in the moment a frame comes.
 */

import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { type Cases, isIn, passes } from "./cases.ts";
import type { Conversations } from "./conversations.ts";
import type { CasesView, CaseRow, Counts, Filter, ListName, Me, Mention, Row, Sort, Team, View } from "./records.ts";
import { preferences } from "./preferences.ts";

/** What of the desk the lists are made from. */
export interface Known {
  readonly me: ReadonlySignal<Me>;
  readonly isLead: boolean;
  readonly store: Cases;
  readonly conversations: Conversations;
  readonly teams: ReadonlySignal<Team[]>;
  readonly views: ReadonlySignal<View[]>;
  readonly mentions: ReadonlySignal<Mention[] | undefined>;
  readonly counts: ReadonlySignal<Counts>;
}

/** Any team's line; what waits there is for everybody. */
const EVERY_TEAM = "*";

/** What the agent narrows the list to, beside what the list itself is. */
export const narrowed = signal<Filter>({});

export class Lists {
  readonly #known: Known;
  readonly #made = new Map<ListName, ReadonlySignal<Row[]>>();
  readonly #teams: ReadonlySignal<ReadonlySet<string> | undefined>;

  constructor(known: Known) {
    this.#known = known;
    this.#teams = computed(() => {
      if (known.isLead) return undefined;
      return new Set([EVERY_TEAM, ...known.teams.value.filter((team) => team.mine).map((team) => team.slug)]);
    });
  }

  of(list: ListName): ReadonlySignal<Row[]> {
    let made = this.#made.get(list);
    if (!made) this.#made.set(list, (made = computed(() => this.#rows(list))));
    return made;
  }

  count(list: ListName): number | undefined {
    const { counts, store, conversations, mentions } = this.#known;
    if (list === "bot") return conversations.count.value;
    if (list === "mentions") return mentions.value?.filter((mention) => !mention.read).length;
    if (this.isGone(list)) return undefined;
    const filter = this.filterOf(list);
    if (store.complete.value && filter.view !== "resolved") return this.#cases(filter).length;
    return list.startsWith("view:") ? counts.value.views[list.slice(5)] : counts.value.lists[list as CasesView];
  }

  /** What a list is, as the query of `GET /cases` would say it. */
  filterOf(list: ListName): Filter {
    if (list.startsWith("team:")) return { view: "all", team: list.slice(5) };
    if (list.startsWith("view:")) return this.#known.views.value.find((view) => view.id === list.slice(5))?.filter ?? {};
    return { view: list as CasesView };
  }

  /** A saved view that is no more, or not yet known. */
  isGone(list: ListName): boolean {
    return list.startsWith("view:") && !this.#known.views.value.some((view) => view.id === list.slice(5));
  }

  #rows(list: ListName): Row[] {
    const { conversations, mentions, store } = this.#known;
    if (list === "bot") return conversations.items.value.map((item) => ({ ...item, ...withCase(store.ofRoom(item.room)) }));
    if (list === "mentions") {
      return mentioned(mentions.value ?? []).map((mention): Row => {
        const { room, message, case: id } = mention;
        const of = id === null ? store.ofRoom(room.id) : store.rows.value.get(id);
        const known: Row = of ? rowOf(of) : { room: room.id, visitor: { id: room.id, kind: "visitor", name: room.name, avatar: null } };
        const { content, sender, created_at } = message;
        return { ...known, message: message.id, last: { kind: "text", text: content, sender, created_at, note: message.room !== room.id } };
      });
    }
    if (this.isGone(list)) return [];
    const wanted = narrowed.value;
    const found = onceEach(this.#cases(this.filterOf(list)).filter((row) => passes(row, wanted)));
    return sorted(found, preferences.value.sort).map(rowOf);
  }

  #cases(filter: Filter): CaseRow[] {
    const { me, store } = this.#known;
    const view = filter.view ?? "all";
    const teams = this.#teams.value;
    return [...store.rows.value.values()].filter((row) => isIn(row, view, me.value.user.id, teams) && passes(row, filter));
  }
}

/** Of each conversation its newest case: one that was resolved and asked for a person again has several. */
export function onceEach(rows: readonly CaseRow[]): CaseRow[] {
  const newest = new Map<string, CaseRow>();
  for (const row of rows) {
    const other = newest.get(row.room);
    if (!other || other.opened_at < row.opened_at) newest.set(row.room, row);
  }
  return [...newest.values()];
}

/** The newest of each conversation. */
function mentioned(all: readonly Mention[]): Mention[] {
  const seen = new Set<string>();
  return all.filter(({ room }) => !seen.has(room.id) && seen.add(room.id));
}

function withCase(row: CaseRow | undefined): { case?: CaseRow } {
  return row ? { case: row } : {};
}

const made = new WeakMap<CaseRow, Row>();

/** The line of a case; always the same one, so that what has not changed is not drawn again. */
export function rowOf(row: CaseRow): Row {
  let line = made.get(row);
  if (!line) made.set(row, (line = lineOf(row)));
  return line;
}

function lineOf(row: CaseRow): Row {
  const { room, visitor, channel_type, site, last, owner, opened_at } = row;
  return {
    room,
    opened_at,
    case: row,
    ...(visitor && { visitor }),
    ...(channel_type !== undefined && { channel_type }),
    ...(site !== undefined && { site }),
    ...(last !== undefined && { last }),
    ...(owner && { owner }),
  };
}

/** Whether the next word is ours: the visitor waits for an answer. */
export function needsUs(row: CaseRow): boolean {
  if (row.status === "waiting") return true;
  if (row.status !== "assigned") return false;
  return Boolean(row.target_at) || (row.last !== undefined && row.last?.note === false && /visitor|member/.test(row.last.sender.kind));
}

/** In the order that was chosen; what is equal in it, by age. */
export function sorted(rows: readonly CaseRow[], by: Sort): CaseRow[] {
  const key: Record<Sort, (row: CaseRow) => [number, string]> = {
    // Those who wait come first, whoever waits longest on top; the rest by their last activity, latest first.
    waiting: (row) => (needsUs(row) ? [0, row.waiting_since ?? row.opened_at] : [1, backwards(activity(row))]),
    activity: (row) => [0, backwards(activity(row))],
    created: (row) => [0, backwards(row.opened_at)],
    priority: (row) => [-row.priority, row.waiting_since ?? row.opened_at],
  };
  return rows
    .map((row) => ({ row, key: key[by](row) }))
    .sort((one, other) => one.key[0] - other.key[0] || compare(one.key[1], other.key[1]) || compare(one.row.id, other.row.id))
    .map(({ row }) => row);
}

function activity(row: CaseRow): string {
  return row.last?.created_at ?? row.changed_at ?? row.opened_at;
}

const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

/** A time as text that sorts the other way round. */
function backwards(time: string): string {
  return String(9e15 - Date.parse(time)).padStart(16, "0");
}
