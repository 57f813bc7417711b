/**
 * The tabs of one user on one site. One of them owns the outbox and sends for all; when it is closed, another one
 * does. What only one tab may do at a time is done under a lock.
 *
 * Nothing depends on there being one owner: a message sent by two tabs has one `client_id` and is stored once.
 */

export interface Tabs {
  readonly owner: boolean;
  /** Call `work` when this tab becomes the owner; at once if it is. */
  onOwner(work: () => void): void;
  /** Tell the other tabs. */
  say(note: unknown): void;
  onNote(hear: (note: unknown) => void): void;
  /** Do `work` while no other tab does what has this name. */
  alone<T>(name: string, work: () => Promise<T>): Promise<T>;
  close(): void;
}

/** Where there is one page, or a browser without locks. */
export class SoleTab implements Tabs {
  readonly owner = true;
  readonly #busy = new Map<string, Promise<unknown>>();

  onOwner(work: () => void): void {
    work();
  }

  say(): void {
    // nobody else is there
  }

  onNote(): void {
    // nobody else is there
  }

  async alone<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#busy.get(name);
    const mine = (before ?? Promise.resolve()).then(work, work);
    this.#busy.set(name, mine);
    return mine;
  }

  close(): void {
    // nothing is held
  }
}

/** Tabs of a browser, by Web Locks and a BroadcastChannel. */
export class BrowserTabs implements Tabs {
  owner = false;
  readonly #locks: LockManager;
  readonly #name: string;
  readonly #channel: BroadcastChannel;
  readonly #closing = new AbortController();
  readonly #waiting: (() => void)[] = [];
  #release: (() => void) | undefined;

  constructor(name: string, locks: LockManager) {
    this.#locks = locks;
    this.#name = name;
    this.#channel = new BroadcastChannel(name);
    void this.#own();
  }

  onOwner(work: () => void): void {
    if (this.owner) work();
    else this.#waiting.push(work);
  }

  say(note: unknown): void {
    if (!this.#closing.signal.aborted) this.#channel.postMessage(note);
  }

  onNote(hear: (note: unknown) => void): void {
    this.#channel.addEventListener("message", (event) => {
      hear(event.data);
    });
  }

  async alone<T>(name: string, work: () => Promise<T>): Promise<T> {
    return await this.#locks.request(`${this.#name}/${name}`, work);
  }

  close(): void {
    this.#closing.abort();
    this.owner = false;
    this.#release?.();
    this.#channel.close();
  }

  /** Wait for the lock and hold it as long as the tab lives; the browser gives it to the next one then. */
  async #own(): Promise<void> {
    const hold = (): Promise<void> => {
      if (this.#closing.signal.aborted) return Promise.resolve();
      this.owner = true;
      for (const work of this.#waiting.splice(0)) work();
      return new Promise((resolve) => {
        this.#release = resolve;
      });
    };
    try {
      await this.#locks.request(`${this.#name}/outbox`, { signal: this.#closing.signal }, hold);
    } catch {
      // closed while it waited
    }
  }
}

export function ownTabs(name: string): Tabs {
  // There are no locks outside a secure context, whatever the types say.
  const locks = typeof document === "undefined" ? undefined : (navigator.locks as LockManager | undefined);
  return locks && typeof BroadcastChannel !== "undefined" ? new BrowserTabs(name, locks) : new SoleTab();
}
