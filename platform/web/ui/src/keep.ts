/**
 * Small texts kept in the browser under one prefix. Where the browser refuses storage (private windows, strict
 * settings, a full disk), they are kept as long as the page lives.
 */

export interface Keep {
  get(key: string): string | undefined;
  set(key: string, value: string): void;
  remove(key: string): void;
}

/** One of the browser's storages, or memory in its place. */
export function keepUnder(kind: "localStorage" | "sessionStorage", prefix: string): Keep {
  const memory = new Map<string, string>();
  const tried = <T>(work: (storage: Storage) => T): T | undefined => {
    try {
      return work(globalThis[kind]);
    } catch {
      return undefined; // refused, or full
    }
  };
  return {
    get: (key) => memory.get(key) ?? tried((storage) => storage.getItem(prefix + key)) ?? undefined,
    set: (key, value) => {
      const kept = tried((storage) => {
        storage.setItem(prefix + key, value);
        return true;
      });
      if (kept) memory.delete(key);
      else memory.set(key, value);
    },
    remove: (key) => {
      memory.delete(key);
      tried((storage) => {
        storage.removeItem(prefix + key);
      });
    },
  };
}
