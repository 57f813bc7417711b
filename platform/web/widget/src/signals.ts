/**
 * Signals as `@preact/signals` has them, in the few that the widget uses: the build puts this in its place, since it is
 * smaller by half. Components that read a signal while they are drawn are drawn again when it changes.
 *
 * Promises: a computed value is made when it is read and kept until something it read has changed, and so is its failure,
 * thrown to whoever reads it; an effect runs once after all changes of a batch, and not where what it read came out the
 * same. A signal may not be put where text or an attribute belongs: read its `value`.
 */

type Off = () => void;

interface Life {
  watched?: () => void;
  unwatched?: () => void;
}

let reader: Watcher | undefined;
let depth = 0;
let clock = 1; // how many changes there were
const due = new Set<Effect>();
const MOST_ROUNDS = 10_000;

/** Who reads from now on; who did before. */
function nowReads(watcher: Watcher | undefined): Watcher | undefined {
  const before = reader;
  reader = watcher;
  return before;
}

/** What can be read. */
abstract class Source<T> {
  version = 0;
  readonly watchers = new Set<Watcher>();
  protected now!: T;

  abstract refresh(): void;
  abstract watch(on: boolean): void;

  get value(): T {
    this.refresh();
    reader?.reads(this);
    return this.peek();
  }

  peek(): T {
    this.refresh();
    return this.now;
  }

  add(watcher: Watcher): void {
    if (this.watchers.size === 0) this.watch(true);
    this.watchers.add(watcher);
  }

  drop(watcher: Watcher): void {
    if (this.watchers.delete(watcher) && this.watchers.size === 0) this.watch(false);
  }
}

/** Who reads: what they have read, and whether it is still so. */
class Watcher {
  sources = new Map<Source<unknown>, number>();
  #before: Map<Source<unknown>, number> | undefined;
  #outer: Watcher | undefined;

  /** Told at once when one of the sources has, or may have, changed. */
  readonly stale: () => void;
  /** Whether one wants to be told. */
  readonly live: () => boolean;

  constructor(stale: () => void, live: () => boolean) {
    this.stale = stale;
    this.live = live;
  }

  reads(source: Source<unknown>): void {
    if (this.live()) source.add(this);
    this.sources.set(source, source.version);
  }

  begin(): void {
    this.#before = this.sources;
    this.sources = new Map();
    this.#outer = nowReads(this);
  }

  end(): void {
    nowReads(this.#outer);
    for (const source of this.#before?.keys() ?? []) if (!this.sources.has(source)) source.drop(this);
    this.#before = undefined;
  }

  changed(): boolean {
    for (const [source, version] of this.sources) {
      source.refresh();
      if (source.version !== version) return true;
    }
    return false;
  }

  watch(on: boolean): void {
    for (const source of this.sources.keys()) {
      if (on) source.add(this);
      else source.drop(this);
    }
  }
}

export class Signal<T> extends Source<T> {
  readonly #life: Life;

  constructor(value: T, life: Life = {}) {
    super();
    this.now = value;
    this.#life = life;
  }

  override get value(): T {
    return super.value;
  }

  override set value(value: T) {
    if (value === this.now) return;
    this.now = value;
    this.version++;
    clock++;
    batch(() => {
      for (const watcher of [...this.watchers]) watcher.stale();
    });
  }

  override refresh(): void {
    // it is always what it is
  }

  override watch(on: boolean): void {
    untracked(() => (on ? this.#life.watched : this.#life.unwatched)?.call(this));
  }
}

class Computed<T> extends Source<T> {
  readonly #make: () => T;
  readonly #watcher: Watcher;
  #dirty = true;
  #failed: { thrown: unknown } | undefined;
  #looked = 0; // the clock when it was last known to be right

  constructor(make: () => T) {
    super();
    this.#make = make;
    const stale = (): void => {
      if (this.#dirty) return;
      this.#dirty = true;
      for (const watcher of [...this.watchers]) watcher.stale();
    };
    this.#watcher = new Watcher(stale, () => this.watchers.size > 0);
  }

  override refresh(): void {
    if (this.#looked === clock || (!this.#dirty && this.watchers.size > 0)) return;
    if (this.version === 0 || this.#watcher.changed()) {
      this.#watcher.begin();
      try {
        const made = this.#make();
        if (this.version === 0 || this.#failed || made !== this.now) {
          this.now = made;
          this.version++;
        }
        this.#failed = undefined;
      } catch (thrown) {
        // A change like any other: who follows is told, and told again when it is mended.
        this.#failed = { thrown };
        this.version++;
      }
      this.#watcher.end();
    }
    this.#looked = clock;
    this.#dirty = false;
  }

  override peek(): T {
    this.refresh();
    if (this.#failed) throw this.#failed.thrown;
    return this.now;
  }

  override watch(on: boolean): void {
    this.#watcher.watch(on);
  }
}

/** Something that is done again when what it has read has changed. */
export class Effect extends Watcher {
  readonly again: () => void;

  constructor(again: () => void) {
    super(() => due.add(this), () => true);
    this.again = again;
  }

  stop(): void {
    due.delete(this);
    this.watch(false);
    this.sources.clear();
  }
}

export function signal<T>(value?: T, life?: Life): Signal<T | undefined> {
  return new Signal(value, life);
}

export function computed<T>(make: () => T): Source<T> {
  return new Computed(make);
}

/** Do it, and again whenever what it reads changes; what it returns is done before that, and when it is stopped. */
export function effect(work: () => unknown): Off {
  let undo: unknown;
  let stopped = false;
  const clean = (): void => {
    const last = undo;
    undo = undefined;
    if (typeof last === "function") untracked(last as Off);
  };
  const run = (): void => {
    clean();
    own.begin();
    try {
      undo = work();
    } finally {
      own.end();
      if (stopped) stop();
    }
  };
  const own = new Effect(run);
  const stop = (): void => {
    stopped = true;
    own.stop();
    clean();
  };
  batch(run);
  return stop;
}

/** Do several changes; who depends on them is told after the last. */
export function batch<T>(work: () => T): T {
  depth++;
  try {
    return work();
  } finally {
    try {
      if (depth === 1) settle();
    } finally {
      depth--;
    }
  }
}

function settle(): void {
  let failed: { thrown: unknown } | undefined;
  let rounds = 0;
  for (const one of due) {
    due.delete(one);
    try {
      if (++rounds > MOST_ROUNDS) throw new Error("effects change what they depend on, without end");
      if (one.changed()) one.again();
    } catch (thrown) {
      failed ??= { thrown };
      if (rounds > MOST_ROUNDS) due.clear();
    }
  }
  if (failed) throw failed.thrown;
}

export function untracked<T>(work: () => T): T {
  const outer = nowReads(undefined);
  try {
    return work();
  } finally {
    nowReads(outer);
  }
}

export { useSignal, useSignalEffect } from "./hooks.ts";
