/**
 * Where a client keeps what outlives the page: its refresh token and its outbox. Writing is done when it returns,
 * so a page may be closed at any moment.
 */

export interface Shelf {
  get(key: string): string | undefined;
  set(key: string, value: string): void;
  remove(key: string): void;
  /** The keys that begin so, sorted. */
  keys(prefix: string): string[];
}

/** For tests, and where there is nothing better: it is gone with the page. */
export class MemoryShelf implements Shelf {
  readonly #values = new Map<string, string>();

  get(key: string): string | undefined {
    return this.#values.get(key);
  }

  set(key: string, value: string): void {
    this.#values.set(key, value);
  }

  remove(key: string): void {
    this.#values.delete(key);
  }

  keys(prefix: string): string[] {
    return [...this.#values.keys()].filter((key) => key.startsWith(prefix)).sort();
  }
}

/** A `Storage` of the browser. Each entry has a key of its own, so that tabs do not overwrite one another. */
export class StorageShelf implements Shelf {
  readonly #storage: Storage;
  readonly #prefix: string;

  constructor(storage: Storage, name: string) {
    this.#storage = storage;
    this.#prefix = `${name}/`;
  }

  get(key: string): string | undefined {
    return this.#storage.getItem(this.#prefix + key) ?? undefined;
  }

  /** Throws what the browser throws when it is full. */
  set(key: string, value: string): void {
    this.#storage.setItem(this.#prefix + key, value);
  }

  remove(key: string): void {
    this.#storage.removeItem(this.#prefix + key);
  }

  keys(prefix: string): string[] {
    const wanted = this.#prefix + prefix;
    const found: string[] = [];
    for (let at = 0; at < this.#storage.length; at++) {
      const key = this.#storage.key(at);
      if (key?.startsWith(wanted)) found.push(key.slice(this.#prefix.length));
    }
    return found.sort();
  }
}

/** The browser's `localStorage`; where the browser forbids it, or there is none, memory. */
export function ownShelf(name: string): Shelf {
  try {
    const storage = globalThis.localStorage;
    const probe = `${name}/probe`;
    storage.setItem(probe, "");
    storage.removeItem(probe);
    return new StorageShelf(storage, name);
  } catch {
    return new MemoryShelf();
  }
}
