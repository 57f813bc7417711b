/**
 * The page drawn from components as Preact draws it, in the part of it that the widget uses: the build puts this in the
 * place of `preact` and of its JSX.
 *
 * Promises: what keeps its kind and its key keeps its element and its hooks; a component is drawn again when its
 * properties or a signal it has read are others, parents before children, once for all changes of a moment; references
 * are set and layout effects done when the page stands, those of children first, and undone while it still stands. A
 * component that fails leaves what it has drawn before, and others alone. Only what `jsx` has made becomes an element:
 * anything else is text, or nothing.
 *
 * Hooks are in `hooks.ts`. Attributes have the names of HTML (`for`); there is no way to put markup or styles as text.
 */

import { type Control, point, type Ref, write } from "./element.ts";
import { Effect } from "./signals.ts";

type Props = Readonly<Record<string, unknown>>;
type Draw = (props: Props) => unknown;
type Type = string | Draw | (new (props: Props) => Component);

/** What a hook keeps for a component. */
export interface Slot {
  kept?: unknown;
  needs?: readonly unknown[] | undefined;
  undo?: unknown;
}

/** What is to be drawn at a place: a tag, a text (it has no tag), or a component. */
class Wanted {
  readonly type: Type;
  readonly props: Props;
  readonly key: unknown;

  constructor(type: Type, props: Props, key?: unknown) {
    this.type = type;
    this.props = props;
    this.key = key;
  }
}

/** What is drawn at a place. Holes among the kids keep the places of those that come and go. */
interface Spot {
  wanted: Wanted;
  above: Spot | undefined;
  level: number;
  svg: boolean;
  kids: (Spot | undefined)[];
  /** The element or text; a component has those of its kids. */
  element?: Control;
  effect?: Effect;
  component?: Component;
  slots: Slot[];
}

/** A component with a life of its own, as far as the list of `ui` needs it. */
export abstract class Component {
  props: Props;
  redraw: (() => void) | undefined;

  constructor(props: Props) {
    this.props = props;
  }

  abstract render(props: Props): unknown;
  componentDidMount?(): void;
  componentDidUpdate?(before: Props): void;
  componentWillUnmount?(): void;
  getSnapshotBeforeUpdate?(): void;

  forceUpdate(): void {
    this.redraw?.();
  }
}

const roots = new WeakMap<Element, Spot>();
const asked = new Set<Spot>();
let asking = false;
let refs: (() => void)[] = []; // to be set when the page stands
let effects: (() => void)[] = []; // to be done after that
let own: (() => void)[]; // effects of the component that is being drawn
let now: Spot;
let slots: number;

export function jsx(type: Type, props: Props, key?: unknown): Wanted {
  return new Wanted(type, props, key);
}
export { jsx as jsxs };

export function Fragment({ children }: Props): unknown {
  return children;
}

export function createRef(): { current: unknown } {
  return { current: null };
}

/** Draw into an element that is empty, or was drawn into before. */
export function render(what: unknown, place: Element): void {
  const root = roots.get(place) ?? { wanted: new Wanted("", {}), above: undefined, level: 0, svg: false, kids: [], element: place as Control, slots: [] };
  roots.set(place, root);
  grow(root, what);
  stand(root.kids, place as Control, null);
  finish();
}

/** What the next hook of the component that is being drawn has kept. */
export function slot(): Slot {
  return (now.slots[slots++] ??= {});
}

/** Do this when the page stands. */
export function afterwards(work: () => void): void {
  own.push(work);
}

export function undo(slot: Slot): void {
  const last = slot.undo;
  slot.undo = undefined;
  if (typeof last === "function") (last as () => void)();
}

function tried(work: () => void): void {
  try {
    work();
  } catch (thrown) {
    reportError(thrown);
  }
}

function ask(spot: Spot): void {
  asked.add(spot);
  if (!asking) queueMicrotask(flush);
  asking = true;
}

function flush(): void {
  asking = false;
  for (const spot of [...asked].sort((one, other) => one.level - other.level)) {
    // It may have been drawn with its parent, or be gone.
    if (!asked.has(spot)) continue;
    draw(spot);
    const { kids, element } = holder(spot);
    stand(kids, element as Control, null);
  }
  finish();
}

function finish(): void {
  const all = [...refs, ...effects];
  refs = [];
  effects = [];
  all.forEach(tried);
}

/** Draw a component, for the first time or again. */
function draw(spot: Spot, fresh = false): void {
  const { component, effect, wanted: { type, props } } = spot;
  const before = component?.props;
  const mine: typeof own = (own = []);
  let kids: unknown;
  asked.delete(spot);
  now = spot;
  slots = 0;
  effect?.begin();
  try {
    if (component) kids = component.render((component.props = props));
    else kids = (type as Draw)(props);
  } catch (thrown) {
    reportError(thrown);
    return;
  } finally {
    effect?.end();
  }
  if (!fresh) component?.getSnapshotBeforeUpdate?.();
  grow(spot, kids);
  if (component) mine.push(() => { if (fresh) component.componentDidMount?.(); else component.componentDidUpdate?.(before ?? props); });
  effects.push(...mine);
}

function wantedOf(child: unknown): Wanted | undefined {
  if (child instanceof Wanted) return child;
  if (Array.isArray(child)) return new Wanted(Fragment, { children: child });
  return typeof child === "string" || typeof child === "number" ? new Wanted("", { text: String(child) }) : undefined;
}

/** Draw what stands within a spot: what is wanted no more goes first. */
function grow(spot: Spot, children: unknown): void {
  const before = spot.kids;
  const left = new Set(before);
  const keyed = new Map(before.map((kid) => [kid?.wanted.key, kid]));
  const pairs = (Array.isArray(children) ? children : [children]).map((child: unknown, at) => {
    const wanted = wantedOf(child);
    const known = wanted && (wanted.key === undefined ? before[at] : keyed.get(wanted.key));
    const same = known?.wanted.type === wanted?.type && known?.wanted.key === wanted?.key && left.delete(known);
    return [wanted, same ? known : undefined] as const;
  });
  for (const kid of left) if (kid) remove(kid, true);
  spot.kids = pairs.map(([wanted, known]) => wanted && put(wanted, known, spot));
}

function put(wanted: Wanted, known: Spot | undefined, above: Spot): Spot {
  const { type, props } = wanted;
  const before: Props = known?.wanted.props ?? {};
  if (known?.wanted === wanted) return known;
  const spot = known ?? { wanted, above, level: above.level + 1, svg: above.svg || type === "svg", kids: [], slots: [] };
  spot.wanted = wanted;
  if (typeof type === "function") {
    if (!known) begin(spot, type);
    if (!known || differ(before, props)) draw(spot, !known);
  } else if (!type) {
    const text = (spot.element ??= document.createTextNode("") as unknown as Control);
    if (text.data !== props["text"]) text.data = props["text"];
  } else {
    const element = (spot.element ??= (spot.svg ? document.createElementNS("http://www.w3.org/2000/svg", type) : document.createElement(type)) as Control);
    for (const name in { ...before, ...props }) if (before[name] !== props[name]) write(element, name, props[name], before[name]);
    grow(spot, props["children"]);
    stand(spot.kids, element, null);
    // What one has typed or chosen may be other than what was drawn; and a choice needs its options.
    for (const name of ["value", "checked"] as const) if (name in props && element[name] !== props[name]) element[name] = props[name];
    const ref = props["ref"] as Ref;
    if (ref !== before["ref"]) {
      point(before["ref"] as Ref, null);
      refs.push(() => { point(ref, element); });
    }
  }
  return spot;
}

function begin(spot: Spot, type: Draw | (new (props: Props) => Component)): void {
  spot.effect = new Effect(() => { ask(spot); });
  if (!(type.prototype instanceof Component)) return;
  const component = (spot.component = new (type as new (props: Props) => Component)(spot.wanted.props));
  component.redraw = () => { ask(spot); };
}

function differ(one: Props, other: Props): boolean {
  const names = Object.keys(one);
  return names.length !== Object.keys(other).length || names.some((name) => one[name] !== other[name]);
}

/** Put elements where they belong, last first; the one that stands first then. */
function stand(kids: Spot["kids"], parent: Control, before: Control | null): Control | null {
  for (const kid of kids.toReversed()) {
    if (!kid) continue;
    const { element } = kid;
    if (!element) before = stand(kid.kids, parent, before);
    else {
      if (element.parentNode !== parent || element.nextSibling !== before) {
        // A move that keeps the focus, where the browser knows one.
        if (element.parentNode === parent && "moveBefore" in parent) parent.moveBefore(element, before);
        else parent.insertBefore(element, before);
      }
      before = element;
    }
  }
  return before;
}

/** The element around a component. */
function holder({ above }: Spot): Spot {
  return above?.element ? above : holder(above as Spot);
}

function remove(spot: Spot, top: boolean): void {
  const { element, component, effect } = spot;
  asked.delete(spot);
  effect?.stop();
  if (element) tried(() => { point(spot.wanted.props["ref"] as Ref, null); });
  for (const own of spot.slots) tried(() => { undo(own); });
  if (component) {
    component.redraw = undefined;
    component.componentWillUnmount?.();
  }
  for (const kid of spot.kids) if (kid) remove(kid, top && !element);
  if (top) element?.remove();
}
