/**
 * The one state of the console: signals, and what keeps them right. It draws nothing.
 *
 * What the server does not offer stays empty, and whoever draws leaves it out. After every break the lists are read
 * again, since frames may have been lost.
 */

import type { Client, DraftFrame, InboxEntry, PublicUser } from "@deskbell/client";
import { batch, computed, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { Acts } from "./acts.ts";
import { Cases, pages, type Rest } from "./cases.ts";
import { Conversations } from "./conversations.ts";
import { Lists } from "./lists.ts";
import { Older } from "./older.ts";
import type { Agent, Availability, CaseRow, Counts, Filter, Label, ListName, Me, Mention, Row, Snippet, Team, View } from "./records.ts";
import { place } from "./route.ts";
import { Seldom } from "./seldom.ts";

export type Online = "connecting" | "live" | "reconnecting" | "closed";
export type DraftKind = "reply" | "note";

const COUNTS_MS = 1_000;
const MENTIONS_MS = 2_000;
const UNREAD_MS = 50;
const AGENTS_MS = 5_000;
const OFTEN_ENOUGH_MS = 30_000;

export class Desk {
  readonly client: Client;
  readonly me: Signal<Me>;
  /** What the tenant is called; empty until it is known. */
  readonly tenant = signal("");
  readonly online = signal<Online>("connecting");
  /** When the next attempt starts, by this machine's clock; none: not known. */
  readonly retryAt = signal<number | undefined>(undefined);
  /** The server's clock, in milliseconds; it goes on once a second. */
  readonly now = signal(Date.now());
  /** The same in steps of five seconds, for what says no seconds. */
  readonly minute = computed(() => this.now.value - (this.now.value % 5_000));
  /** The first reading of the lists: under way, done, or why it failed. */
  readonly loading = signal<"loading" | "done" | "failed">("loading");

  readonly store: Cases;
  readonly conversations: Conversations;
  readonly act: Acts;
  /** By id. */
  readonly cases: ReadonlySignal<ReadonlyMap<string, CaseRow>>;
  readonly older: Older;
  readonly #lists: Lists;
  readonly counts = signal<Counts>({ lists: {}, views: {} });
  readonly agents = signal<Agent[]>([]);
  readonly teams = signal<Team[]>([]);
  readonly labels = signal<Label[]>([]);
  readonly views = signal<View[]>([]);
  readonly snippets = signal<Snippet[]>([]);
  /** None: the server has no such list. */
  readonly mentions = signal<Mention[] | undefined>(undefined);
  readonly availability = signal<Availability | undefined>(undefined);
  /** Who looks at a conversation, oneself left out, by room. */
  readonly viewing = signal<ReadonlyMap<string, readonly PublicUser[]>>(new Map());
  /** What oneself has begun to write, by room. */
  readonly drafts = signal<ReadonlyMap<string, ReadonlySet<DraftKind>>>(new Map());
  /** What is unread, by room. */
  readonly unread = signal<ReadonlyMap<string, InboxEntry>>(new Map());
  /** The room that is shown. */
  readonly selected: ReadonlySignal<string | undefined>;

  readonly #ends: (() => void)[] = [];
  readonly #counts: Seldom;
  readonly #unread: Seldom;
  readonly #mentioned: Seldom;
  /** How far the server's clock is ahead of this machine's, which may be wrong. */
  #aheadMs = 0;
  readonly #people: Seldom;

  constructor(client: Client, me: Me) {
    this.client = client;
    this.me = signal(me);
    this.store = new Cases(this.rest);
    this.cases = this.store.rows;
    this.older = new Older(this.store);
    this.conversations = new Conversations(this.rest);
    this.act = new Acts(this.rest, this.store, me.user.id, (user) => this.nameOf(user));
    this.#lists = new Lists(this);
    this.selected = computed(() => (place.value.screen === "inbox" ? place.value.room : undefined));
    this.#counts = new Seldom(COUNTS_MS, () => this.#set(this.counts, "/views/counts"));
    this.#unread = new Seldom(UNREAD_MS, () => {
      this.unread.value = new Map(client.inbox.entries);
    });
    this.#mentioned = new Seldom(MENTIONS_MS, () => this.readMentions());
    this.#people = new Seldom(AGENTS_MS, () => this.#items(this.agents, "/agents"));
  }

  /** One REST call as this user; `path` begins after `/api/v1`. */
  readonly rest: Rest = (method, path, body) => this.client.rest(method, path, body);

  /** The rows of a list, in the order that was chosen. */
  lists(list: ListName): ReadonlySignal<Row[]> {
    return this.#lists.of(list);
  }

  /** How many are in a list; none: not known. */
  countOf(list: ListName): number | undefined {
    return this.#lists.count(list);
  }

  /** What a list is, as the query of `GET /cases` would say it. */
  filterOf(list: ListName): Filter {
    return this.#lists.filterOf(list);
  }

  caseOf(room: string): CaseRow | undefined {
    return this.store.ofRoom(room);
  }

  nameOf(user: string): string | undefined {
    if (user === this.me.value.user.id) return this.me.value.user.name;
    return this.agents.value.find((agent) => agent.user.id === user)?.user.name;
  }

  get isLead(): boolean {
    return this.me.value.role === "supervisor" || this.me.value.role === "admin";
  }

  /** Connect, read everything, and stay right until {@link stop}. Rejects when the login does not hold. */
  async start(): Promise<void> {
    const { client } = this;
    this.#ends.push(
      client.on("connecting", ({ attempt }) => {
        if (attempt === 1 && this.online.value !== "live") this.online.value = "connecting";
      }),
      client.on("reconnecting", ({ inMs }) => {
        batch(() => {
          this.online.value = "reconnecting";
          this.retryAt.value = Date.now() + inMs;
          this.viewing.value = new Map();
        });
      }),
      client.on("closed", () => {
        this.online.value = "closed";
      }),
      client.on("live", ({ serverTime }) => {
        this.#aheadMs = Date.parse(serverTime) - Date.now();
        this.now.value = Date.now() + this.#aheadMs;
        this.online.value = "live";
        client.setViewing(this.selected.value ?? null);
        void this.read();
      }),
      client.on("case", ({ case: row }) => {
        this.store.put(row);
        this.#counts.soon();
        this.#people.soon();
        if (row.labels.some((id) => !this.labels.value.some((label) => label.id === id))) void this.readLabels();
      }),
      client.on("inbox", ({ entry }) => {
        this.#unread.soon();
        if (entry?.mentioned || this.mentions.peek()?.some(({ read }) => !read)) this.#mentioned.soon();
      }),
      client.on("mention", () => {
        this.#mentioned.soon();
      }),
      client.on("viewing", ({ room, users }) => {
        const viewing = new Map(this.viewing.value);
        const others = users.filter((user) => user.id !== this.me.value.user.id);
        if (others.length) viewing.set(room, others);
        else viewing.delete(room);
        this.viewing.value = viewing;
      }),
      client.on("presence", ({ user, status }) => {
        this.agents.value = this.agents.value.map((agent) =>
          agent.user.id === user ? { ...agent, status: status as Agent["status"] } : agent,
        );
      }),
      client.on("draft", (frame: DraftFrame) => {
        this.drafted(frame.room, frame.kind, frame.draft !== null);
      }),
      this.selected.subscribe((room) => {
        if (this.online.peek() === "live") client.setViewing(room ?? null);
      }),
      every(1_000, () => {
        this.now.value = Date.now() + this.#aheadMs;
      }),
      client.on("conversations", (frame) => {
        this.conversations.moved(frame);
      }),
      this.conversations.follow(computed(() => place.value.screen === "inbox" && place.value.list === "bot" && this.online.value === "live")),
      every(OFTEN_ENOUGH_MS, () => { this.#people.soon(); }),
    );
    await client.connect();
  }

  /** Read all lists again. */
  async read(): Promise<void> {
    void this.#items(this.teams, "/teams");
    void this.#readTenant();
    void this.#items(this.views, "/views");
    void this.#items(this.snippets, "/snippets");
    void this.readLabels();
    void this.readMentions();
    void this.#readDrafts();
    void this.#set(this.availability, "/agents/me/availability");
    this.conversations.load();
    this.#counts.soon();
    this.#people.soon();
    try {
      await this.store.load();
      this.loading.value = "done";
    } catch {
      if (this.loading.value !== "done") this.loading.value = "failed";
    }
  }

  readLabels(): Promise<void> {
    return this.#items(this.labels, "/labels");
  }

  readViews(): Promise<void> {
    this.#counts.soon();
    return this.#items(this.views, "/views");
  }

  readSnippets(): Promise<void> {
    return this.#items(this.snippets, "/snippets");
  }

  readMentions(): Promise<void> {
    return this.#items(this.mentions, "/mentions");
  }

  /** Say whether one is there, and takes conversations: left out, those who are online do. Shown once the server has it. */
  async setAvailability(wanted: { status: Availability["status"]; accepting?: boolean }): Promise<void> {
    this.availability.value = (await this.rest("PUT", "/agents/me/availability", wanted)) as Availability;
    this.#people.soon();
  }

  /** A draft of one's own has come, or is over. */
  drafted(room: string, kind: DraftKind, there: boolean): void {
    const kinds = new Set(this.drafts.value.get(room));
    if (kinds.has(kind) === there) return;
    if (there) kinds.add(kind);
    else kinds.delete(kind);
    const drafts = new Map(this.drafts.value);
    if (kinds.size) drafts.set(room, kinds);
    else drafts.delete(room);
    this.drafts.value = drafts;
  }

  /** Nothing is told any more. */
  stop(): void {
    for (const end of this.#ends.splice(0)) end();
    this.#counts.stop();
    this.#people.stop();
    this.#unread.stop();
    this.#mentioned.stop();
  }

  async #readTenant(): Promise<void> {
    try {
      this.tenant.value = ((await this.rest("GET", "/me")) as { tenant_name: string }).tenant_name;
    } catch {
      // Then the product's own name stands there.
    }
  }

  async #readDrafts(): Promise<void> {
    const drafts = new Map<string, Set<DraftKind>>();
    try {
      await pages(this.rest, "/drafts", (items) => {
        for (const { room, kind } of items as { room: string; kind: DraftKind }[]) drafts.set(room, (drafts.get(room) ?? new Set()).add(kind));
        return true;
      });
      this.drafts.value = drafts;
    } catch {
      // The pencils come with the next frame.
    }
  }

  async #items<Item>(into: Signal<Item[]> | Signal<Item[] | undefined>, path: string): Promise<void> {
    try {
      (into as Signal<Item[]>).value = ((await this.rest("GET", path)) as { items: Item[] }).items;
    } catch {
      // What was known stays; a server without this list leaves it empty.
    }
  }

  async #set<Value>(into: Signal<Value>, path: string): Promise<void> {
    try {
      into.value = (await this.rest("GET", path)) as Value;
    } catch {
      // As above.
    }
  }
}

function every(ms: number, work: () => void): () => void {
  const timer = setInterval(work, ms);
  return () => {
    clearInterval(timer);
  };
}
