/**
 * The cases the console knows: read page by page, and kept right by `case` frames. Of two states of one case the
 * later one counts, whichever way it came. What arrives together is taken up together, so that a busy minute costs a
 * few drawings and not hundreds.
 */

import { type ReadonlySignal, signal } from "@preact/signals";
import type { CasesView, CaseRow, Filter } from "./records.ts";

const PAGE = 100;
const GATHER_MS = 40;

export type Rest = (method: string, path: string, body?: unknown) => Promise<unknown>;

interface Page<Item> {
  items: Item[];
  next_cursor?: string | null;
}

/** All pages of a list, one after the other; `take` is told each, and ends it with `false`. */
export async function pages(rest: Rest, path: string, take: (items: unknown[]) => boolean): Promise<void> {
  let cursor: string | null | undefined;
  do {
    const query = `${path}${path.includes("?") ? "&" : "?"}limit=${PAGE}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`;
    const page = (await rest("GET", query)) as Page<unknown>;
    cursor = page.next_cursor;
    if (!take(page.items)) return;
    await new Promise((resolve) => setTimeout(resolve, 0)); // let the page breathe between two parts
  } while (cursor);
}

export class Cases {
  /** By id. */
  readonly rows: ReadonlySignal<ReadonlyMap<string, CaseRow>>;
  /** Ids by room: the latest case of each. */
  readonly byRoom: ReadonlySignal<ReadonlyMap<string, string>>;
  /** Lists whose first part is here; `false`: all open ones are not here yet. */
  readonly complete = signal(false);
  readonly #rows = signal<ReadonlyMap<string, CaseRow>>(new Map());
  readonly #byRoom = signal<ReadonlyMap<string, string>>(new Map());
  readonly #pending = new Map<string, CaseRow | undefined>();
  readonly #rest: Rest;
  readonly #touched = new Set<string>(); // heard of while the lists were on their way
  #timer: ReturnType<typeof setTimeout> | undefined;
  #round = 0;

  constructor(rest: Rest) {
    this.#rest = rest;
    this.rows = this.#rows;
    this.byRoom = this.#byRoom;
  }

  ofRoom(room: string): CaseRow | undefined {
    const id = this.#byRoom.value.get(room);
    return id === undefined ? undefined : this.#rows.value.get(id);
  }

  /** Take a state of a case; an older one than is known changes nothing. */
  put(row: CaseRow): void {
    this.#touched.add(row.id);
    const known = this.#pending.get(row.id) ?? this.#rows.peek().get(row.id);
    if (known && isOlder(row, known)) return;
    this.#pending.set(row.id, { ...known, ...row });
    this.#timer ??= setTimeout(() => {
      this.flush();
    }, GATHER_MS);
  }

  /** Take up at once what was gathered. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#pending.size === 0) return;
    const rows = new Map(this.#rows.peek());
    const byRoom = new Map(this.#byRoom.peek());
    for (const [id, row] of this.#pending) {
      if (!row) {
        rows.delete(id);
        continue;
      }
      rows.set(id, row);
      const other = rows.get(byRoom.get(row.room) ?? "");
      if (!other || other.opened_at <= row.opened_at) byRoom.set(row.room, id);
    }
    this.#pending.clear();
    this.#rows.value = rows;
    this.#byRoom.value = byRoom;
  }

  /**
   * Read all that are open: first what is mine and what waits, then the rest. What was known as open and is in no
   * list any more is asked for by itself.
   */
  async load(): Promise<void> {
    const round = ++this.#round;
    this.#touched.clear();
    const found = new Set<string>();
    const take = (items: unknown[]): boolean => {
      if (round !== this.#round) return false;
      for (const row of items as CaseRow[]) {
        found.add(row.id);
        this.put(row);
      }
      this.flush();
      return true;
    };
    await Promise.all([pages(this.#rest, "/cases?view=mine", take), this.#page("/cases?view=queue", take)]);
    await pages(this.#rest, "/cases?view=all", take);
    if (round !== this.#round) return;
    this.complete.value = true;
    const lost = [...this.#rows.peek().values()].filter((row) => isOpen(row) && !found.has(row.id) && !this.#touched.has(row.id));
    for (const { id } of lost) {
      try {
        await this.find(id);
      } catch {
        this.#pending.set(id, undefined);
        this.flush();
      }
    }
  }

  /** Ask for one case. */
  async find(id: string): Promise<CaseRow> {
    const row = (await this.#rest("GET", `/cases/${id}`)) as CaseRow;
    this.put(row);
    this.flush();
    return row;
  }

  /** A part of a list that is not kept whole, such as the resolved ones; what comes back is where to go on. */
  async part(filter: Filter, cursor?: string): Promise<{ rows: CaseRow[]; cursor: string | undefined }> {
    const query = new URLSearchParams({ limit: String(PAGE), view: filter.view ?? "all" });
    if (filter.label) query.set("label", filter.label);
    if (filter.team) query.set("team", filter.team);
    if (filter.priority) query.set("priority", String(filter.priority));
    if (cursor) query.set("cursor", cursor);
    const page = (await this.#rest("GET", `/cases?${query.toString()}`)) as Page<CaseRow>;
    for (const row of page.items) this.put(row);
    this.flush();
    return { rows: page.items, cursor: page.next_cursor ?? undefined };
  }

  async #page(path: string, take: (items: unknown[]) => boolean): Promise<void> {
    take(((await this.#rest("GET", `${path}&limit=${PAGE}`)) as Page<CaseRow>).items);
  }
}

export function isOpen(row: CaseRow): boolean {
  return row.status === "waiting" || row.status === "assigned" || row.status === "snoozed";
}

function isOlder(row: CaseRow, than: CaseRow): boolean {
  if (row.version !== than.version) return row.version < than.version;
  return Boolean(row.changed_at && than.changed_at && row.changed_at < than.changed_at);
}

/** Whether a case is in a list of everybody's; `mine` and `queue` as for this user. */
export function isIn(row: CaseRow, view: CasesView, me: string, teams: ReadonlySet<string> | undefined): boolean {
  switch (view) {
    case "mine":
      return row.status === "assigned" && row.agent === me;
    case "queue":
      return row.status === "waiting" && (teams === undefined || teams.has(row.team));
    case "bot":
      return row.status === "waiting" && row.owner?.kind === "bot";
    case "all":
      return isOpen(row);
    case "snoozed":
    case "resolved":
      return row.status === view;
  }
}

/** Whether a case passes what a filter asks beside its view. */
export function passes(row: CaseRow, filter: Filter): boolean {
  return (
    (!filter.label || row.labels.includes(filter.label)) &&
    (!filter.team || row.team === filter.team) &&
    row.priority >= (filter.priority ?? 0)
  );
}
