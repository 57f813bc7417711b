/**
 * A program that is told what to do, for tests in another language: JSON lines in, JSON lines out.
 *
 * The first line is a {@link Config}; each later one a {@link Command}, answered by a line with its `n`. With
 * `repeat` the sockets deliver frames late, so that others overtake them, and twice, as no server should.
 */

import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

import { BrowserTabs, Client, type Login, MemoryShelf, ownSurroundings, type Shelf, SoleTab } from "../src/index.ts";

interface Config {
  url: string;
  login: Login;
  /** How many tabs. */
  tabs: number;
  /** A file that outlives the process. */
  shelf?: string;
  repeat: boolean;
}

interface Command {
  n: number;
  tab: number;
  call: string;
  args: unknown[];
  /** Answer at once; what is thrown later is not told. */
  detached: boolean;
}

/** A file in the place of the browser's storage: written when `set` returns. */
class FileShelf implements Shelf {
  readonly #path: string;
  readonly #values: Record<string, string>;

  constructor(path: string) {
    this.#path = path;
    try {
      this.#values = JSON.parse(readFileSync(path, "utf8")) as Record<string, string>;
    } catch {
      this.#values = {};
    }
  }

  get(key: string): string | undefined {
    return this.#values[key];
  }

  set(key: string, value: string): void {
    this.#values[key] = value;
    this.#write();
  }

  remove(key: string): void {
    // eslint-disable-next-line @typescript-eslint/no-dynamic-delete
    delete this.#values[key];
    this.#write();
  }

  keys(prefix: string): string[] {
    return Object.keys(this.#values)
      .filter((key) => key.startsWith(prefix))
      .sort();
  }

  #write(): void {
    writeFileSync(`${this.#path}.new`, JSON.stringify(this.#values));
    renameSync(`${this.#path}.new`, this.#path);
  }
}

const REPEATED = ["message", "participant", "room", "skip", "changes", "subscribed", "ack", "tips", "ok"];

class UnrulySocket extends WebSocket {
  override get onmessage(): WebSocket["onmessage"] {
    return super.onmessage;
  }

  override set onmessage(hear: WebSocket["onmessage"]) {
    super.onmessage = (event: MessageEvent) => {
      const deliver = (): void => {
        hear?.call(this, event);
      };
      const { type } = JSON.parse(String(event.data)) as { type: string };
      const late = ["message", "participant", "room", "skip"].includes(type) && Math.random() < 0.2;
      if (late) setTimeout(deliver, Math.random() * 40);
      else deliver();
      if (REPEATED.includes(type) && Math.random() < 0.3) setTimeout(deliver, Math.random() * 200);
    };
  }
}

/** A client of a tab, and what it has told so far. */
class Tab {
  readonly client: Client;
  readonly told: Record<string, unknown>[] = [];

  constructor(config: Config, shelf: Shelf) {
    const surroundings = {
      ...ownSurroundings(),
      random: () => Math.random() * 0.1, // a tenth of the pauses
      open: (url: string) => (config.repeat ? new UnrulySocket(url) : new WebSocket(url)),
    };
    const tabs = config.tabs > 1 ? new BrowserTabs(`test-${process.pid}`, navigator.locks) : new SoleTab();
    this.client = new Client(config.url, config.login, { shelf, tabs, surroundings });
    const names = ["live", "reconnecting", "closed", "loaded", "lost", "message", "changed", "writing", "inbox", "sent", "notSent", "delayed", "problem"] as const;
    for (const name of names) {
      this.client.on(name, (event) => this.told.push({ name, ...(event as unknown as Record<string, unknown>) }));
    }
  }

  do(call: string, args: unknown[]): unknown {
    if (call === "told") return this.told;
    if (call === "unread") return this.client.inbox.unread;
    if (call === "view") {
      const view = this.client.rooms.get(String(args[0]));
      return view && { live: view.live, position: view.position, oldest: view.oldest, messages: view.ordered() };
    }
    const method = (this.client as unknown as Record<string, (...args: unknown[]) => unknown>)[call];
    if (!method) throw new Error(`no ${call}`);
    return method.apply(this.client, args);
  }
}

function answer(n: number, outcome: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify({ n, ...outcome })}\n`);
}

async function obey(tab: Tab | undefined, { n, call, args, detached }: Command): Promise<void> {
  try {
    const outcome = tab?.do(call, args);
    if (detached) {
      Promise.resolve(outcome).catch(() => undefined);
      answer(n, { result: null });
      return;
    }
    const result = await outcome;
    answer(n, { result: call === "subscribe" ? null : (result ?? null) });
  } catch (thrown) {
    const { code, message } = thrown as { code?: string; message?: string };
    answer(n, { error: code ?? message ?? String(thrown) });
  }
}

let tabs: Tab[] = [];
for await (const line of createInterface({ input: process.stdin })) {
  const said = JSON.parse(line) as Config | Command;
  if ("n" in said) {
    void obey(tabs[said.tab], said);
  } else {
    const shelf = said.shelf === undefined ? new MemoryShelf() : new FileShelf(said.shelf);
    tabs = Array.from({ length: said.tabs }, () => new Tab(said, shelf));
  }
}
process.exit(0); // whoever told us what to do is gone
