/**
 * What a site embeds with one line. It draws the launcher, takes the page's calls, and fetches the chat when somebody
 * shows intent: hovers, focuses, opens; or in idle time where somebody is known from before, for the unread count.
 *
 * Nothing of it is global but `window.Deskbell` and one element. All addresses come from where the script came from.
 */

import type { Chat, ChatFile, Frame } from "./frame.ts";
import { Dress } from "./dress.ts";
import { type Call, Host, type HostApi } from "./host.ts";
import { keepIn, onForgotten, wasHere } from "./keep.ts";
import { kit } from "./kit.ts";
import { Launcher } from "./launcher.ts";
import styles from "./launcher.css?inline";
import { siteFrom } from "./site.ts";
import { languageFor, launcherWords, pageWishes } from "./speech.ts";

/** Where the chat is, put in by the build. */
declare const CHAT_FILE: string;

declare global {
  interface Window {
    Deskbell?: HostApi | unknown[];
  }
}

const ELEMENT = "deskbell-widget";
/** The desk knows no such site, or this page is none of its pages; it does not tell which. */
const REFUSED = Symbol();
const SITE_FRESH_MS = 3_000;
/** Two builds behind one address, as while a desk is brought up to date, are no reason to go to and fro. */
const RENEWED_MS = 60_000;

function load(own: HTMLScriptElement): void {
  const { site: siteKey, locale, theme, side, open } = own.dataset;
  if (!siteKey) {
    console.error("Deskbell: the script needs data-site, the site's public key.");
    return;
  }
  const desk = new URL(".", own.src).href.replace(/\/$/, "");
  const keep = keepIn("localStorage", siteKey);
  const session = keepIn("sessionStorage", siteKey);
  let frame: Frame | undefined;
  let chat: Promise<Chat> | undefined;
  const early: Call[] = [];
  /** What the page has said that holds for whatever chat there is. */
  const said = new Map<string, Call>();
  let renewed = -RENEWED_MS;

  const language = (): ReturnType<typeof languageFor> =>
    languageFor([keep.get("language"), lastLocale(early), locale, ...pageWishes()], languages);
  let languages: readonly string[] = ["en", "ar"];

  /** Have the chat here; at once where it is already. */
  const fetched = (): Promise<Chat> => {
    const at = frame;
    if (!at) return Promise.reject(new Error("there is no page yet"));
    chat ??= (async () => {
      const { href } = new URL(CHAT_FILE, own.src);
      // A module that failed to load is remembered as failed as long as the page lives, so it is asked for first.
      const answer = await fetch(href, { credentials: "omit", cache: renewed > 0 ? "reload" : "default" });
      if (!answer.ok) throw new Error("the chat did not come");
      // The desk may have sent on to a newer one, whose parts know it by its own address.
      const file = (await import(/* @vite-ignore */ answer.url)) as ChatFile;
      const started = file.start(at);
      for (const call of early.splice(0)) started.perform(call);
      return started;
    })().catch((thrown: unknown) => {
      chat = undefined;
      at.launcher.label(launcherWords(language()).failed);
      throw thrown;
    });
    return chat;
  };

  const renew = (): void => {
    const old = chat;
    if (!old || performance.now() - renewed < RENEWED_MS) return;
    renewed = performance.now();
    chat = undefined;
    early.push(...said.values());
    if (session.get("open") !== undefined) early.push(["open", "quietly"]);
    old.then((here) => here.vacate()).then(fetched).catch(() => undefined);
  };

  const perform = (call: Call): void => {
    if (call[0] === "reset") said.clear();
    else if (call[0] === "setAttributes") said.set(call[0], [call[0], { ...said.get(call[0])?.[1] as Record<string, string> | undefined, ...call[1] }]);
    else if (call[0] === "identify" || call[0] === "setLocale") said.set(call[0], call);
    if (call[0] === "setTheme") frame?.dress.host(call[1]);
    if (call[0] === "setLocale" && frame && !chat) frame.launcher.label(launcherWords(language()).open);
    if (!chat) early.push(call);
    else void chat.then((here) => { here.perform(call); }, () => undefined);
    const wanted = call[0] === "open" || call[0] === "toggle" || call[0] === "reset" || (call[0] === "identify" && wasHere(desk, siteKey));
    if (wanted && frame) fetched().catch(() => undefined);
  };

  onForgotten(desk, siteKey, () => {
    // A page that has said who reads it says so no more.
    early.splice(0, early.length, ...early.filter(([name]) => name !== "identify" && name !== "setAttributes"));
    if (chat) perform(["reset", "elsewhere"]);
    else said.clear();
  });
  const host = new Host(perform);
  const waiting = window.Deskbell;
  window.Deskbell = host.api;
  if (Array.isArray(waiting)) host.api.push(...waiting);

  let told: { at: number; answer: Promise<unknown> } | undefined;
  const site = (): Promise<unknown> => {
    if (!told || performance.now() - told.at > SITE_FRESH_MS) told = { at: performance.now(), answer: ask(`${desk}/api/v1/sites/${encodeURIComponent(siteKey)}`) };
    return told.answer;
  };

  const draw = async (): Promise<void> => {
    const element = document.createElement(ELEMENT);
    const root = element.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(styles);
    root.adoptedStyleSheets = [sheet];
    const wrapper = document.createElement("div");
    wrapper.className = "desk";
    root.append(wrapper);
    const dress = new Dress(wrapper, keep, { theme, side });
    const answer = await site();
    if (answer === REFUSED) {
      console.warn(`Deskbell: ${desk} has no site "${siteKey}", or ${location.origin} is not among its origins.`);
      return;
    }
    const info = siteFrom(answer);
    languages = info.languages;
    dress.site(info);
    const launcher = new Launcher(wrapper);
    launcher.words(info.launcher.label);
    launcher.label(launcherWords(language()).open);
    frame = { desk, siteKey, root, wrapper, launcher, dress, keep, kit, locale, site, renew, emit: (name, event) => { host.emit(name, event); } };
    const lastTheme = early.findLast((call) => call[0] === "setTheme");
    if (lastTheme) dress.host(lastTheme[1]);
    const intent = (): void => {
      fetched().catch(() => undefined);
    };
    launcher.button.addEventListener("pointerenter", intent);
    launcher.button.addEventListener("focus", intent);
    launcher.button.addEventListener("click", () => { perform(["toggle"]); });
    document.body.append(element);
    host.emit("ready", undefined);
    const wanted = (open !== undefined && open !== "false") || session.get("open") !== undefined;
    if (wanted) early.push(["open", "quietly"]);
    if (early.some(([name]) => name === "open" || name === "toggle" || name === "reset")) intent();
    else if (wasHere(desk, siteKey)) whenIdle(intent);
  };
  if (document.body as HTMLElement | null) void draw();
  else document.addEventListener("DOMContentLoaded", () => void draw(), { once: true });
}

function lastLocale(calls: Call[]): string | undefined {
  const last = calls.findLast((call) => call[0] === "setLocale");
  return last?.[1];
}

/** Not every browser says when it is idle. */
function whenIdle(work: () => void): void {
  if ("requestIdleCallback" in window) requestIdleCallback(work);
  else setTimeout(work, 2000);
}

/** What the desk tells, or nothing: a widget that cannot ask is drawn all the same, and says so when it is opened. */
async function ask(address: string): Promise<unknown> {
  try {
    const answer = await fetch(address, { credentials: "omit" });
    if (answer.status === 404) return REFUSED;
    return answer.ok ? await answer.json() : undefined;
  } catch {
    return undefined;
  }
}

const own = document.currentScript ?? document.querySelector('script[data-site][src*="widget.js"]');
// Loaded twice, it is there once.
if (own instanceof HTMLScriptElement && !(window.Deskbell && !Array.isArray(window.Deskbell))) load(own);
