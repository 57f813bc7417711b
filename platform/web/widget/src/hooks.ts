/**
 * Hooks as `preact/hooks` has them, in the few that the widget uses, for what `drawing.ts` draws: the build puts this in
 * the place of `preact/hooks`. Effects of the layout are done when the page stands, those of children first.
 */

import { afterwards, slot, type Slot, undo } from "./drawing.ts";
import { effect, Signal } from "./signals.ts";

/** Whether what a slot depends on is other than when it was last filled. */
function turned({ needs: before }: Slot, needs: readonly unknown[] | undefined): boolean {
  return !before || !needs || needs.some((need, index) => need !== before[index]);
}

export function useMemo<T>(make: () => T, needs: readonly unknown[]): T {
  const own = slot();
  if (turned(own, needs)) {
    own.kept = make();
    own.needs = needs;
  }
  return own.kept as T;
}

export function useCallback<T>(work: T, needs: readonly unknown[]): T {
  return useMemo(() => work, needs);
}

export function useRef<T>(first: T): { current: T } {
  return useMemo(() => ({ current: first }), []);
}

let ids = 0;

export function useId(): string {
  return useMemo(() => `deskbell-${++ids}`, []);
}

export function useLayoutEffect(work: () => unknown, needs?: readonly unknown[]): void {
  const own = slot();
  if (!turned(own, needs)) return;
  afterwards(() => {
    own.needs = needs; // not before: a component that fails now is owed it the next time
    undo(own);
    own.undo = work();
  });
}

export function useSignal<T>(first: T): Signal<T> {
  return useMemo(() => new Signal(first), []);
}

/**
 * Does the work of the first drawing, and of no later one, when the component stands and whenever a signal it read has
 * changed: what else it uses has to stay the same while the component lives, or be a signal.
 */
export function useSignalEffect(work: () => unknown): void {
  useLayoutEffect(() => effect(work), []);
}
