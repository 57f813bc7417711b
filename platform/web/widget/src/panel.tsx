/**
 * The panel: a dialog beside the page, not over it, but on small screens, where it is all there is. The focus goes in
 * when it opens and back where it was when it closes; Esc closes it. No key pressed in it reaches the page.
 */

import type { FunctionComponent, JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { isComposing } from "@deskbell/ui/composing.ts";
import { atOnce, fetched, lazy } from "@deskbell/ui/lazy.tsx";
import { allowed } from "./bell.ts";
import { Header } from "./header.tsx";
import { Home } from "./home.tsx";
import { Missing } from "./missing.tsx";
import { Strip } from "./strip.tsx";
import type { Widget } from "./widget.ts";

const fetchConversation = async (): Promise<FunctionComponent<Own>> => (await import("./conversation.tsx")).Conversation;
const Conversation = lazy(fetchConversation, atOnce, Missing);
/** Whoever reaches for something in the panel is about to talk. */
const reach = fetched(fetchConversation);

interface Own {
  widget: Widget;
}

const forms = async ({ widget }: Own): Promise<typeof import("./forms.tsx")> => {
  const made = await import("./forms.tsx");
  await made.teach(widget.texts);
  return made;
};
const Prechat = lazy<Own>(async (own) => (await forms(own)).Prechat, atOnce, Missing);
const Offline = lazy<Own>(async (own) => (await forms(own)).Offline, atOnce, Missing);

const SMALL = "(max-width: 479.98px)";

export function Panel({ widget }: { widget: Widget }): JSX.Element | null {
  return widget.isOpen.value ? <Opened widget={widget} /> : null;
}

function Opened({ widget }: { widget: Widget }): JSX.Element {
  const { texts, site, screen } = widget;
  const panel = useRef<HTMLDivElement>(null);
  useFocus(panel, widget);
  const keys = (event: KeyboardEvent): void => {
    allowed();
    reach();
    if (event.key === "Escape" && !event.defaultPrevented && !isComposing(event)) widget.close();
    if (event.key === "Tab" && matchMedia(SMALL).matches) keepIn(panel.current, event);
  };
  return (
    <div
      class={screen.value === "home" ? "panel is-home" : "panel"}
      ref={panel}
      role="dialog"
      aria-modal={matchMedia(SMALL).matches}
      aria-label={texts.t("dialog", { site: site.value.name }).trim()}
      tabIndex={-1}
      onKeyDown={keys}
      onPointerMove={reach}
      onPointerDown={() => { allowed(); reach(); }}
    >
      {screen.value === "home" ? <Home widget={widget} /> : <Inner widget={widget} />}
    </div>
  );
}

function Inner({ widget }: { widget: Widget }): JSX.Element {
  const session = widget.session.value;
  return (
    <>
      <Header widget={widget} />
      <Strip widget={widget} />
      <p class="error banner" role="alert">{session.trouble.value}</p>
      {widget.screen.value === "prechat" && <Prechat widget={widget} />}
      {widget.screen.value === "offline" && <Offline widget={widget} />}
      {widget.screen.value === "conversation" && <Conversation widget={widget} />}
    </>
  );
}

/** What a screen wants to be begun with, else the panel itself. */
function toStart(panel: HTMLElement | null): void {
  (panel?.querySelector<HTMLElement>("[data-focus], .form :is(input, select, textarea)") ?? panel)?.focus();
}

/**
 * The focus goes in, stays in while what had it is exchanged for something else, and goes back when the panel goes.
 */
function useFocus(panel: { current: HTMLElement | null }, widget: Widget): void {
  useLayoutEffect(() => {
    const { launcher, root } = widget.frame;
    const box = panel.current;
    const before = document.activeElement;
    let held: EventTarget | null = null;
    let pointed = false; // at nothing that takes the focus, so that the panel has it by the reader's wish
    const holds = (event: Event): void => {
      held = event.target;
      pointed = false;
    };
    const points = (): void => {
      pointed = true;
    };
    const kept = new MutationObserver(() => {
      // What had the focus is gone, and the keyboard would be nowhere; or the panel has it until there is something else.
      const gone = held instanceof Node && !held.isConnected && document.activeElement === document.body;
      if (gone || (held === box && root.activeElement === box && !pointed)) toStart(box);
    });
    box?.addEventListener("focusin", holds);
    box?.addEventListener("pointerdown", points);
    if (widget.takesFocus) toStart(box);
    if (box) kept.observe(box, { childList: true, subtree: true });
    return () => {
      kept.disconnect();
      const inside = root.activeElement !== null && root.activeElement !== launcher.button;
      const lost = document.activeElement === document.body || document.activeElement === root.host;
      if (!inside && !lost) return; // the reader is elsewhere on the page
      if (before instanceof HTMLElement && before !== root.host && before !== document.body && before.isConnected) before.focus();
      else launcher.button.focus();
    };
  }, [panel, widget]);
}

/** Where the panel is all there is, Tab stays in it. */
function keepIn(panel: HTMLElement | null, event: KeyboardEvent): void {
  const all = [...(panel?.querySelectorAll<HTMLElement>("button, input, select, textarea, a[href]") ?? [])];
  const stops = all.filter((one) => !one.hasAttribute("disabled") && one.offsetParent !== null);
  const root = panel?.getRootNode() as ShadowRoot;
  const [first, last] = [stops[0], stops.at(-1)];
  const leaving = event.shiftKey ? root.activeElement === first || root.activeElement === panel : root.activeElement === last;
  if (!leaving) return;
  event.preventDefault();
  (event.shiftKey ? last : first)?.focus();
}
