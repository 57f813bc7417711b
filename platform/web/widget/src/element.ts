/** Elements as `drawing.ts` has them: what is written on one, and who hears its events. */

export type Ref = ((element: unknown) => void) | { current: unknown } | null | undefined;
type Rules = Partial<Record<string, string>>;
type Listener = (event: Event) => void;

export type Control = HTMLElement & {
  data: unknown;
  value: unknown;
  checked: unknown;
  listeners?: Record<string, { work: Listener | null | undefined; since: number }>;
};

let clock = 0; // how many events there were

export function point(ref: Ref, element: unknown): void {
  if (typeof ref === "function") ref(element);
  else if (ref) ref.current = element;
}

/** Write an attribute, a rule of style or a listener. The control's own state is written when its kids stand. */
export function write(element: Control, name: string, value: unknown, before: unknown): void {
  if (/^(children|ref|value|checked)$/.test(name)) return;
  if (name === "style") {
    for (const rule in { ...(before as Rules), ...(value as Rules) }) (element.style as unknown as Rules)[rule] = (value as Rules | undefined)?.[rule] ?? "";
  } else if (name.startsWith("on")) {
    const kind = name.slice(2).toLowerCase();
    const listeners = (element.listeners ??= {});
    if (!listeners[kind]) element.addEventListener(kind, heard);
    // One in the place of another is as old as that.
    listeners[kind] = { work: value as Listener | null | undefined, since: (before ? listeners[kind]?.since : undefined) ?? clock };
  } else {
    const words = name.includes("-"); // aria-busy="false" says something
    if (value == null || (value === false && !words)) element.removeAttribute(name);
    else element.setAttribute(name, value === true && !words ? "" : value as string);
  }
}

/** Whoever was drawn while an event was on its way up does not hear it. */
function heard(this: unknown, event: Event & { at?: number }): void {
  const listener = (this as Control).listeners?.[event.type];
  event.at ??= clock++;
  if (listener && event.at >= listener.since) listener.work?.(event);
}
