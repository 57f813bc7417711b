/**
 * Hooks as `preact/hooks` has them, in the few that the widget uses, and what makes components follow the signals they
 * read: the build puts this in the place of `preact/hooks`, as it does with `signals.ts`.
 *
 * Effects of the layout are done when the page stands, those of children first. A component whose properties are the
 * same is not drawn again but by its signals.
 */

import { type Component, options, type VNode } from "preact";
import { Effect, effect, Signal } from "./signals.ts";

interface Slot {
  kept?: unknown;
  needs?: readonly unknown[] | undefined;
  undo?: unknown;
}

/** A component as Preact has it inside: what is to be called when it stands in the page. */
interface Drawn extends Component {
  __h: (() => void)[];
  slots?: Slot[];
  drawing?: Effect;
}

type Hook = ((vnode: VNode, ...more: unknown[]) => void) | undefined;
interface Inside extends VNode {
  __c?: Drawn | null;
}

let now: Drawn;
let at = 0;
let open: Effect | undefined; // who is being drawn; its children are drawn after it

function close(): void {
  open?.end();
  open = undefined;
}

function draws({ __c: component, type }: Inside): void {
  if (!component || typeof type !== "function") return;
  now = component;
  at = 0;
  if (!component.drawing) {
    component.drawing = new Effect(() => { component.forceUpdate(); });
    if (!(type.prototype as { render?: unknown } | undefined)?.render) component.shouldComponentUpdate = (next) => differ(component.props, next);
  }
  open = component.drawing;
  open.begin();
}

function gone({ __c: component }: Inside): void {
  component?.drawing?.stop();
  for (const slot of component?.slots ?? []) undo(slot);
}

// Preact's own names: before a node, at a component's drawing, where one failed, after a node, when it goes.
const steps: [string, (vnode: Inside) => void][] = [["__b", close], ["__r", draws], ["__e", close], ["diffed", close], ["unmount", gone]];
const hooks = options as unknown as Record<string, Hook>;
for (const [name, step] of steps) {
  const before = hooks[name];
  hooks[name] = (vnode, ...more) => {
    if (name !== "unmount") close();
    step(vnode);
    before?.(vnode, ...more);
  };
}

function differ(one: object, other: object): boolean {
  const names = Object.keys(one) as (keyof typeof one)[];
  return names.length !== Object.keys(other).length || names.some((name) => one[name] !== other[name]);
}

function slot(): Slot {
  return ((now.slots ??= [])[at++] ??= {});
}

/** Whether what a slot depends on is other than before. */
function turned(own: Slot, needs: readonly unknown[] | undefined): boolean {
  const before = own.needs;
  own.needs = needs;
  return !before || !needs || needs.some((need, index) => need !== before[index]);
}

function undo(own: Slot): void {
  const last = own.undo;
  own.undo = undefined;
  if (typeof last === "function") (last as () => void)();
}

export function useMemo<T>(make: () => T, needs: readonly unknown[]): T {
  const own = slot();
  if (turned(own, needs)) own.kept = make();
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
  now.__h.push(() => {
    undo(own);
    own.undo = work();
  });
}

export function useSignal<T>(first: T): Signal<T> {
  return useMemo(() => new Signal(first), []);
}

export function useSignalEffect(work: () => unknown): void {
  useLayoutEffect(() => effect(work), []);
}
