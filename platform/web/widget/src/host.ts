/**
 * What a host page may say to the widget, `window.Deskbell`, before and after it is loaded.
 *
 * Calls made before the chat is here wait in order. A page that does not want to wait for this script either makes
 * an array first: `(window.Deskbell ||= []).push(["open"])`; what is in it is done when the script has come, and
 * `push` goes on working.
 */

/** What happens, by name, and what is told of it. */
export interface HostEvents {
  /** The launcher is there. Told at once to those who listen later. */
  ready: undefined;
  open: undefined;
  close: undefined;
  unread: { count: number };
  /** Who answers from now on. */
  handover: { to: "assistant" | "waiting" | "person" | "closed"; name?: string };
  /** A new message of the conversation, one's own included. */
  message: { id: string; sender: { kind: string; name: string }; text: string };
}

export type Call =
  /** `quietly`: the page did it by itself, so the focus stays where it is. */
  | ["open", "quietly"?]
  | ["close"]
  | ["toggle"]
  | ["identify", string]
  | ["setAttributes", Record<string, string>]
  | ["setLocale", string]
  | ["setTheme", "light" | "dark" | "auto"]
  /** `elsewhere`: another tab has logged out, and this one is to follow. */
  | ["reset", "elsewhere"?];

export interface HostApi {
  open(): void;
  close(): void;
  toggle(): void;
  /** The person of the host page, by an identity that the site's server has signed. */
  identify(identity: string): void;
  setAttributes(attributes: Record<string, string>): void;
  setLocale(locale: string): void;
  setTheme(theme: "light" | "dark" | "auto"): void;
  /** Log out: forget who this is, and all that this browser keeps of them. */
  reset(): void;
  logout(): void;
  /** Listen; what comes back stops it. */
  on<Name extends keyof HostEvents>(name: Name, listener: (event: HostEvents[Name]) => void): () => void;
  push(...calls: unknown[]): void;
}

type Listener = (event: never) => void;

export class Host {
  readonly api: HostApi;
  readonly #listeners = new Map<string, Set<Listener>>();
  #ready = false;

  /** `perform` does, or keeps for later, what was called. */
  constructor(perform: (call: Call) => void) {
    const on: HostApi["on"] = (name, listener) => {
      const own: Listener = (event: never) => {
        (listener as Listener)(event);
      };
      const known = this.#listeners.get(name) ?? new Set<Listener>();
      this.#listeners.set(name, known.add(own));
      if (name === "ready" && this.#ready) told(own, undefined);
      return () => known.delete(own);
    };
    const reset = (): void => {
      perform(["reset"]);
    };
    this.api = {
      open: () => { perform(["open"]); },
      close: () => { perform(["close"]); },
      toggle: () => { perform(["toggle"]); },
      identify: (identity) => { perform(["identify", identity]); },
      setAttributes: (attributes) => { perform(["setAttributes", attributes]); },
      setLocale: (locale) => { perform(["setLocale", locale]); },
      setTheme: (theme) => { perform(["setTheme", theme]); },
      reset,
      logout: reset,
      on,
      push: (...calls) => {
        for (const call of calls) this.#called(call);
      },
    };
  }

  emit<Name extends keyof HostEvents>(name: Name, event: HostEvents[Name]): void {
    if (name === "ready") this.#ready = true;
    for (const listener of [...(this.#listeners.get(name) ?? [])]) told(listener, event);
  }

  /** One entry of the array: `["open"]`, `["on", "unread", fn]`. What is none of ours is left alone. */
  #called(call: unknown): void {
    if (!Array.isArray(call)) return;
    const [name, ...given] = call as [unknown, ...unknown[]];
    if (typeof name !== "string" || name === "push" || !Object.hasOwn(this.api, name)) return;
    (this.api[name as keyof HostApi] as (...given: unknown[]) => void)(...given);
  }
}

/** The page's own fault is the page's: others are told all the same. */
function told(listener: Listener, event: unknown): void {
  try {
    (listener as (event: unknown) => void)(event);
  } catch (thrown) {
    reportError(thrown);
  }
}
