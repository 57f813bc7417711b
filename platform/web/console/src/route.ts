/**
 * Where one is in the console: an address that can be copied, kept over a reload, and left with the browser's Back.
 *
 * Nothing is drawn here. {@link place} is the one word for it; {@link go} the one way to change it.
 */

import { signal } from "@preact/signals";
import type { ListName } from "./records.ts";

export const SCREENS = ["board", "search", "people", "sites", "plugins", "moderation", "audit", "settings"] as const;
export type ScreenName = (typeof SCREENS)[number];

export type Place =
  | { screen: "inbox"; list: ListName; room?: string; message?: string }
  | { screen: "search"; q: string }
  /** `tab`: of a screen that has some; none: its first. */
  | { screen: Exclude<ScreenName, "search">; tab?: string };

const ROOT = "/console";
const LISTS = ["mine", "queue", "all", "bot", "mentions", "snoozed", "resolved"];

export function isList(name: string): name is ListName {
  return LISTS.includes(name) || /^(team|view):./.test(name);
}

/** The place of an address; what is unknown is the inbox, so that no address is a dead end. */
export function placeOf(path: string, query = ""): Place {
  const [screen = "", list = "", room = ""] = path.slice(ROOT.length).split("/").filter(Boolean).map(plain);
  const asked = new URLSearchParams(query);
  if (screen === "search") return { screen, q: asked.get("q") ?? "" };
  const found = SCREENS.find((name) => name === screen);
  if (found && found !== "search") return list ? { screen: found, tab: list } : { screen: found };
  const inbox: Place = { screen: "inbox", list: isList(list) ? list : "mine" };
  if (room) inbox.room = room;
  const message = asked.get("message");
  if (room && message !== null) inbox.message = message;
  return inbox;
}

export function addressOf(to: Place): string {
  if (to.screen === "search") return `${ROOT}/search${to.q ? `?${new URLSearchParams({ q: to.q }).toString()}` : ""}`;
  if (to.screen !== "inbox") return `${ROOT}/${to.screen}${to.tab ? `/${encodeURIComponent(to.tab)}` : ""}`;
  const message = to.message === undefined ? "" : `?${new URLSearchParams({ message: to.message }).toString()}`;
  return [ROOT, "inbox", to.list, ...(to.room ? [to.room] : [])].map((part, at) => (at ? encodeURIComponent(part) : part)).join("/") + message;
}

export const place = signal<Place>({ screen: "inbox", list: "mine" });

const holders = new Set<() => boolean>();

/** Be asked before the screen is left, and hold back by `false`; what comes back ends it. */
export function holdBack(mayLeave: () => boolean): () => void {
  holders.add(mayLeave);
  return () => {
    holders.delete(mayLeave);
  };
}

/** Ask all who hold back; whatever changes within a screen may ask by itself. */
export function letsGo(): boolean {
  return [...holders].every((holder) => holder());
}

function mayLeave(to: Place): boolean {
  return to.screen === place.value.screen || letsGo();
}

/** Go somewhere. `replace`: Back does not come here again. */
export function go(to: Place, options: { replace?: boolean } = {}): void {
  if (!mayLeave(to)) return;
  const address = addressOf(to);
  if (address !== location.pathname + location.search) {
    if (options.replace) history.replaceState(null, "", address);
    else history.pushState(null, "", address);
  }
  place.value = to;
}

/** Show a conversation, in the list one is in. */
export function goToRoom(room: string, options: { list?: ListName; message?: string; replace?: boolean } = {}): void {
  const now = place.value;
  const to: Place = { screen: "inbox", list: options.list ?? (now.screen === "inbox" ? now.list : "all"), room };
  if (options.message !== undefined) to.message = options.message;
  go(to, options);
}

/** What a link to a place needs: a real address, and a way there without loading the page again. */
export function linkTo(to: Place): { href: string; onClick: (event: MouseEvent) => void } {
  return {
    href: addressOf(to),
    onClick: (event) => {
      if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      go(to);
    },
  };
}

/** Follow the browser's Back and Forward; what comes back stops it. */
export function followHistory(): () => void {
  const moved = (): void => {
    const to = placeOf(location.pathname, location.search);
    if (mayLeave(to)) place.value = to;
    else history.pushState(null, "", addressOf(place.value)); // again the address of what is shown
  };
  moved();
  addEventListener("popstate", moved);
  return () => {
    removeEventListener("popstate", moved);
  };
}

function plain(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
