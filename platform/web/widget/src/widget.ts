/**
 * The widget's own state: open or not, which screen, which visitor, how it speaks and sounds. Screens read signals and
 * call verbs; what the host page asks for comes in by {@link Widget.perform}.
 */

import { batch, computed, effect, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { asError, claims } from "@deskbell/client";
import { Texts } from "@deskbell/ui/texts.ts";
import type { Frame } from "./frame.ts";
import type { Call } from "./host.ts";
import type { Keep } from "./keep.ts";
import { tellLauncher } from "./mark.ts";
import { type Beginning, Session } from "./session.ts";
import type { SiteInfo } from "./site.ts";
import type { Language } from "./speech.ts";
import type { Key } from "./texts/en.ts";
import { shell } from "./texts/en.shell.ts";

export type Screen = "home" | "prechat" | "offline" | "conversation";
export type Wanted = "assistant" | "person";
export const SCALES = [1, 1.25, 1.5, 2] as const;

export class Widget {
  readonly frame: Frame;
  readonly texts = new Texts<Key>(shell);
  readonly site: Signal<SiteInfo>;
  readonly session: Signal<Session>;
  readonly isOpen: Signal<boolean> = signal(false);
  readonly screen: Signal<Screen> = signal("home");
  /** With whom the visitor wants to begin, while a form stands between. */
  readonly wanted: Signal<Wanted> = signal("assistant");
  readonly busy: Signal<boolean> = signal(false);
  /** What went wrong at the last try to begin, in the server's words. */
  readonly problem: Signal<string | undefined> = signal();
  /** How the visitor is called, where somebody has said it. */
  readonly named: Signal<string | undefined> = signal();
  readonly sound: Signal<boolean>;
  readonly scale: Signal<number>;
  readonly visible: Signal<boolean> = signal(document.visibilityState === "visible");
  readonly shown: ReadonlySignal<boolean>;
  /** Whether opening moves the focus: not where the page opens it by itself. */
  takesFocus = true;

  readonly #tab: Keep;
  #identity: string | undefined;
  #attributes: Record<string, string> = {};
  #locale: string | undefined;
  #forget: (() => void)[] = [];

  constructor(frame: Frame) {
    this.frame = frame;
    this.site = signal(frame.kit.siteFrom(undefined));
    this.#tab = frame.kit.keepIn("sessionStorage", frame.siteKey);
    this.#locale = frame.locale;
    this.sound = signal(frame.keep.get("sound") !== "off");
    this.scale = signal(SCALES.find((scale) => String(scale) === frame.keep.get("scale")) ?? 1);
    this.shown = computed(() => this.isOpen.value && this.screen.value === "conversation" && this.visible.value);
    document.addEventListener("visibilitychange", () => {
      this.visible.value = document.visibilityState === "visible";
    });
    this.session = signal(this.#visitor());
    if (this.#known()) void this.#resume();
    void this.#ask();
    this.#speak();
    effect(() => {
      tellLauncher(this);
    });
    effect(() => {
      frame.wrapper.lang = this.texts.language.value;
      frame.wrapper.dir = this.texts.direction.value;
      frame.wrapper.style.setProperty("--text-scale", String(this.scale.value));
    });
  }

  perform(call: Call): void {
    switch (call[0]) {
      case "open":
        this.open(call[1] !== "quietly");
        break;
      case "close":
        this.close();
        break;
      case "toggle":
        if (this.isOpen.peek()) this.close();
        else this.open();
        break;
      case "identify":
        if (call[1] !== this.#identity) this.#become(call[1]);
        break;
      case "setAttributes":
        this.#attributes = { ...this.#attributes, ...call[1] };
        if (this.session.peek().begun) this.#claim();
        break;
      case "setLocale":
        this.#locale = call[1];
        this.#speak();
        break;
      case "setTheme":
        break; // the loader has done it
      case "reset":
        void this.reset(call[1]);
        break;
    }
  }

  open(takesFocus = true): void {
    if (this.isOpen.peek()) return;
    this.takesFocus = takesFocus;
    this.#tab.set("open", "yes");
    this.isOpen.value = true;
    this.frame.emit("open", undefined);
    void this.#ask().then(() => {
      if (!this.site.peek().choice && this.screen.peek() === "home" && !this.#known()) void this.start("assistant");
    });
  }

  close(): void {
    if (!this.isOpen.peek()) return;
    this.#tab.remove("open");
    this.isOpen.value = false;
    this.frame.emit("close", undefined);
  }

  go(screen: Screen): void {
    batch(() => {
      this.screen.value = screen;
      this.problem.value = undefined;
    });
    this.#tab.set("screen", screen);
  }

  /** Begin with the assistant or a person, by way of the form that the site wants first. */
  async start(wanted: Wanted): Promise<void> {
    const { open, offline_form, prechat } = this.site.peek();
    this.wanted.value = wanted;
    if (wanted === "person" && !open && offline_form) this.go("offline");
    else if ((prechat.fields.length || prechat.consent) && this.#tab.get("prechat") === undefined) this.go("prechat");
    else await this.begin();
  }

  /** Begin now; whether that worked. What was answered in a form comes with it. */
  async begin(claims: Beginning = {}, then: Screen = "conversation"): Promise<boolean> {
    if (this.busy.peek()) return false;
    const session = this.session.peek();
    this.problem.value = undefined;
    this.busy.value = true;
    try {
      const beginning = { ...claims, attributes: { ...this.#attributes, ...claims.attributes } };
      if (!Object.keys(beginning.attributes).length) Reflect.deleteProperty(beginning, "attributes");
      const fresh = session.owner.peek() === "closed" && session.room.peek() !== undefined;
      await session.begin({ ...beginning, fresh: claims.fresh ?? fresh });
      this.#tab.set("prechat", "done");
      if (this.wanted.peek() === "person" && session.owner.peek() === "bot") await session.askForPerson(then === "offline" ? "left_message" : undefined);
      if (claims.name !== undefined) this.named.value = claims.name;
      this.go(then);
      return true;
    } catch (thrown) {
      this.problem.value = asError(thrown).message;
      return false;
    } finally {
      this.busy.value = false;
    }
  }

  /** Forget who this is, here and in the browser; there it is done where it was done `elsewhere`. */
  async reset(elsewhere?: "elsewhere"): Promise<void> {
    const old = this.session.peek();
    const { desk, siteKey, kit } = this.frame;
    this.#identity = this.named.value = undefined;
    this.#attributes = {};
    if (!elsewhere) {
      await old.client.logout().catch(() => undefined);
      kit.forgetAll(desk, siteKey);
    }
    this.#replace(old);
    this.go("home");
    this.frame.dress.wear();
  }

  /** After the desk has ended the connection: try as the same visitor. */
  again(): void {
    this.#replace(this.session.peek());
    void this.#resume();
  }

  setLanguage(language: Language): void {
    this.frame.keep.set("language", language);
    this.#speak();
  }

  #visitor(): Session {
    const { desk, siteKey, keep } = this.frame;
    const session = new Session({ desk, siteKey, identity: this.#identity, site: this.site, texts: this.texts, keep, shown: this.shown });
    let unread = -1;
    let owner: string | undefined;
    this.#forget = [
      session.client.onMessage(({ id, sender, content, kind, room }) => {
        if (room !== session.room.peek()) return;
        this.frame.emit("message", { id, sender: { kind: sender.kind, name: sender.name }, text: content });
        const looking = this.shown.peek() && document.hasFocus();
        if (sender.id !== session.me.peek()?.id && kind !== "system" && this.sound.peek() && !looking) {
          void import("./stroke.ts").then(({ ring }) => { ring(siteKey); }, () => undefined);
        }
      }),
      effect(() => {
        const count = session.unread.value;
        if (count !== unread && (count > 0 || unread > 0)) this.frame.emit("unread", { count });
        unread = count;
      }),
      effect(() => {
        const now = session.view.value && session.owner.value;
        const name = session.person.value?.name;
        if (now && owner && now !== owner) {
          this.frame.emit("handover", { to: now === "bot" ? "assistant" : now, ...(now === "person" && name ? { name } : {}) });
        }
        owner = now;
      }),
    ];
    return session;
  }

  #replace(old: Session): void {
    for (const forget of this.#forget) forget();
    old.close();
    this.session.value = this.#visitor();
  }

  #become(identity: string): void {
    this.#identity = identity;
    const { name } = claims(identity);
    this.named.value = typeof name === "string" && name !== "" ? name : undefined;
    this.#replace(this.session.peek());
    if (this.isOpen.peek() || this.#known()) void this.#resume();
    if (this.screen.peek() === "conversation") this.go("home");
  }

  /** Whether this browser has a login of this visitor. */
  #known(): boolean {
    return this.session.peek().client.known;
  }

  async #resume(): Promise<void> {
    const session = this.session.peek();
    try {
      const found = await session.resume();
      if (Object.keys(this.#attributes).length) this.#claim();
      if (found && this.session.peek() === session && this.#tab.get("screen") === "conversation") this.go("conversation");
    } catch {
      // the strip says that there is no connection; a beginning tells why
    }
  }

  #claim(): void {
    void this.session.peek().claim({ attributes: this.#attributes }).catch(() => undefined);
  }

  async #ask(): Promise<void> {
    const told = await this.frame.site();
    if (told === undefined) return;
    this.site.value = this.frame.kit.siteFrom(told);
    this.frame.dress.site(this.site.value);
    this.#speak();
  }

  #speak(): void {
    const { keep, kit } = this.frame;
    const language = kit.languageFor([keep.get("language"), this.#locale, ...kit.pageWishes()], this.site.peek().languages);
    if (language === this.texts.language.peek()) return;
    if (language === "en") this.texts.speak("en", shell);
    else void import("./texts/ar.shell.ts").then(({ shell: arabic }) => { this.texts.speak(language, arabic); }, () => undefined);
  }
}
