/**
 * What a screen shows is asked for, and asked for again: after a change, at a click, by the clock while somebody looks.
 * The last answer stays on the screen until the next one is here, and an answer that was overtaken is dropped.
 */

import { asError, type DeskbellError } from "@deskbell/client";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";

/** Nothing is drawn in place of what comes within this time. */
const SLOW_MS = 200;

export interface Loaded<T> {
  value: T | undefined;
  /** Why the last attempt failed; a value from before may still be there. */
  error: DeskbellError | undefined;
  /** It takes long enough for grey lines. */
  slow: boolean;
  /** Ask again; resolves when that is done, whatever came of it. */
  again: () => Promise<void>;
  /** Put another value in its place, such as what a change answered. */
  put: (change: (value: T) => T) => void;
}

/** Ask when the screen opens, and whenever one of `of` changes; then nothing of the old answer is shown. */
export function useLoaded<T>(load: () => Promise<T>, of: readonly unknown[]): Loaded<T> {
  const [state, set] = useState<{ value?: T | undefined; error?: DeskbellError | undefined; slow: boolean }>({ slow: false });
  const asked = useRef(0);
  const latest = useRef(load);
  latest.current = load;

  const again = useCallback(async () => {
    const mine = ++asked.current;
    try {
      const value = await latest.current();
      if (mine === asked.current) set({ value, slow: false });
    } catch (thrown) {
      if (mine === asked.current) set((was) => ({ value: was.value, error: asError(thrown), slow: false }));
    }
  }, []);

  useEffect(() => {
    set({ slow: false });
    void again();
    const mine = asked.current;
    const slow = setTimeout(() => {
      if (asked.current === mine) set((was) => (was.value === undefined && !was.error ? { slow: true } : was));
    }, SLOW_MS);
    return () => {
      clearTimeout(slow);
      asked.current += 1;
    };
  }, of);

  const put = useCallback((change: (value: T) => T) => {
    set((was) => (was.value === undefined ? was : { ...was, value: change(was.value) }));
  }, []);

  return { value: state.value, error: state.error, slow: state.slow, again, put };
}

/** Call `ask` every so often while the page is to be seen, and at once when it is seen again. */
export function useWhileSeen(ask: () => unknown, everyMs: number): void {
  const latest = useRef(ask);
  latest.current = ask;
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) latest.current();
    }, everyMs);
    const seen = (): void => {
      if (!document.hidden) latest.current();
    };
    document.addEventListener("visibilitychange", seen);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [everyMs]);
}

/** A call that gathers: made at most once per `everyMs`, the last time after the last wish. */
export function useGathered(call: () => unknown, everyMs: number): () => void {
  const latest = useRef(call);
  latest.current = call;
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(
    () => () => {
      clearTimeout(timer.current);
    },
    [],
  );
  return useCallback(() => {
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      latest.current();
    }, everyMs);
  }, [everyMs]);
}
