/**
 * One visitor at one site: the client, and what the screens show of it as signals.
 *
 * Promises: nobody becomes a visitor before they begin something ({@link Session.begin}) or have been here before
 * ({@link Session.resume}). `view` is the same object as long as the room is; {@link Session.watched} draws again what reads it
 * whenever anything in it may have changed. What is said and read in the conversation is left to
 * the thread; identities come from the host page, and another identity is another session.
 */

import { batch, computed, effect, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { Client, type Events, type OwnCaseFrame, ownSurroundings, type Participant, type PublicUser, type RoomState, type RoomView, wakeable } from "@deskbell/client";
import { again } from "@deskbell/ui/lazy.tsx";
import type { Texts } from "@deskbell/ui/texts.ts";
import type { Keep } from "./keep.ts";
import { ownerOf, type OwnerKind } from "./owner.ts";
import type { SiteInfo } from "./site.ts";
import type { Key } from "./texts/en.ts";

export type OwnCase = OwnCaseFrame;
export type Online = "connecting" | "live" | "reconnecting" | "offline";

export interface SessionOptions {
  /** The desk's address, without `/api/v1`. */
  desk: string;
  siteKey: string;
  /** A signed identity, from the host page. */
  identity?: string | undefined;
  site: ReadonlySignal<SiteInfo | undefined>;
  texts: Texts<Key>;
  keep: Keep;
  shown: ReadonlySignal<boolean>;
}

export interface Beginning {
  /** Claims of the visitor, from the forms. */
  name?: string;
  email?: string;
  attributes?: Record<string, string>;
  /** Leave the present conversation alone and open another. */
  fresh?: boolean;
}

const ROOM_EVENTS = ["loaded", "message", "changed", "purged", "participant", "room", "typing", "writing", "void", "read", "sent", "notSent", "delayed"] as const;

export class Session {
  readonly client: Client;
  readonly texts: Texts<Key>;
  readonly site: ReadonlySignal<SiteInfo | undefined>;
  /** The desk's address, without `/api/v1`. */
  readonly desk: string;
  readonly keep: Keep;
  /** Whether the conversation can be seen now. */
  readonly shown: ReadonlySignal<boolean>;
  readonly me: Signal<PublicUser | undefined> = signal();
  readonly room: Signal<string | undefined> = signal();
  readonly view: Signal<RoomView | undefined> = signal();
  readonly beat: Signal<number> = signal(0);
  readonly ownCase: Signal<OwnCase | undefined> = signal();
  readonly online: Signal<Online> = signal("connecting");
  readonly unread: Signal<number> = signal(0);
  /** A message of the conversation has been drawn. */
  readonly drawn: Signal<boolean> = signal(false);
  /** The connection is over for good, as far as this session goes. */
  readonly over: Signal<boolean> = signal(false);
  /** Something the visitor asked for did not work: a sentence for them. */
  readonly trouble: Signal<string | undefined> = signal();
  /** The longest text the server takes; as it says at the welcome. */
  readonly maxBytes: Signal<number> = signal(16_384);
  /** What is written in this conversation, or before there is one, and not sent; it outlives the page. */
  readonly draft: Signal<string>;
  readonly owner: ReadonlySignal<OwnerKind>;
  /** The person who answers, where one does. */
  readonly person: ReadonlySignal<PublicUser | undefined>;
  /** The person who said something last. */
  readonly lastPerson: ReadonlySignal<PublicUser | undefined>;

  readonly #around = wakeable(ownSurroundings());
  #connected: Promise<PublicUser> | undefined;
  readonly #stops: (() => void)[] = [];

  constructor({ desk, siteKey, identity, site, texts, keep, shown }: SessionOptions) {
    this.client = new Client(desk, identity === undefined ? { siteKey } : { siteKey, identity }, {
      surroundings: this.#around,
    });
    this.texts = texts;
    this.site = site;
    this.shown = shown;
    this.desk = desk;
    this.keep = keep;
    this.draft = signal(keep.get("draft/") ?? "");
    this.owner = computed(() => {
      const view = this.watched();
      return ownerOf(view?.state, view?.messages.values() ?? [], this.ownCase.value);
    });
    this.person = computed(() => {
      const owner = this.watched()?.state?.owner;
      return owner?.kind === "agent" && owner.user ? this.participant(owner.user)?.user : undefined;
    });
    this.lastPerson = computed(() => {
      return this.watched()?.ordered().findLast(({ sender, kind }) => sender.kind === "agent" && kind !== "system")?.sender;
    });
    this.#stops.push(
      effect(() => {
        const key = `draft/${this.room.peek() ?? ""}`;
        if (this.draft.value) keep.set(key, this.draft.value);
        else keep.remove(key);
      }),
    );
    this.#listen();
  }

  /** The room's view; who reads it here is drawn again whenever anything in it may have changed. */
  watched(): RoomView | undefined {
    return this.beat.value >= 0 ? this.view.value : undefined;
  }

  participant(user: string): Participant | undefined {
    return this.view.value?.participants.get(user);
  }

  /** Connect as whoever this browser knows, and go on with the conversation under way, if there is one. */
  async resume(): Promise<boolean> {
    await this.connect();
    if (this.room.value !== undefined) return true;
    const { items } = (await this.client.rest("GET", "/support/conversations?limit=20")) as { items: RoomState[] };
    const latest = items.find(({ archived, redirect_to }) => !archived && redirect_to === null) ?? items[0];
    if (latest) await this.#enter(latest.id);
    return latest !== undefined;
  }

  /** Begin a conversation, or go on with the one under way. */
  async begin({ fresh = false, ...claims }: Beginning = {}): Promise<void> {
    await this.connect();
    if (Object.keys(claims).length) await this.claim(claims);
    const page = `${location.origin}${location.pathname}`.slice(0, 500);
    const { id } = await this.client.openConversation(fresh ? { new: true, page } : { page });
    await this.#enter(id);
  }

  /** Say who one is, unverified. */
  async claim(claims: Omit<Beginning, "fresh">): Promise<void> {
    await this.connect();
    await this.client.rest("PATCH", "/me", claims);
  }

  connect(): Promise<PublicUser> {
    this.#connected ??= this.client.connect();
    return this.#connected;
  }

  /** Whether there is, or will be, a connection. */
  get begun(): boolean {
    return this.#connected !== undefined;
  }

  /** Do not wait for the next attempt. */
  tryNow(): void {
    this.#around.wake();
  }

  async askForPerson(reason?: string): Promise<void> {
    const room = this.room.value;
    if (room !== undefined) await this.client.escalate(room, reason);
  }

  /** Close the connection; what is unsent stays for the next page. */
  close(): void {
    this.client.disconnect();
    for (const stop of this.#stops.splice(0)) stop();
  }

  /**
   * Go on with the assistant and keep the place in line (`assistant`), leave the line (`leave-queue`), or end the
   * conversation (`end`): it can be rated then, and another one begun.
   */
  async act(what: "assistant" | "leave-queue" | "end"): Promise<void> {
    const room = this.room.value;
    if (room === undefined) return;
    const told = (await this.client.rest("POST", `/rooms/${room}/${what}`, {})) as Partial<OwnCase> | undefined;
    if (told?.status !== undefined && told.room === room) this.ownCase.value = told as OwnCase;
  }

  /** Show this conversation. Where what was there before `goesOn` in it, so does what was being written. */
  async #enter(id: string, goesOn = this.room.peek() === undefined): Promise<void> {
    const before = this.room.peek();
    if (before !== undefined && before !== id) void this.client.unsubscribe(before).catch(() => undefined);
    const view = await this.client.subscribe(id);
    batch(() => {
      const kept = this.keep.get(`draft/${id}`) ?? "";
      const begun = goesOn ? this.draft.peek() : "";
      this.keep.remove(`draft/${before ?? ""}`);
      this.room.value = id;
      this.draft.value = kept && begun ? `${kept}\n${begun}` : kept || begun;
      this.view.value = view;
      this.ownCase.value = view.ownCase;
      this.beat.value++;
      this.#count();
    });
    await this.#askCase(id);
  }

  /** How the case stands is told when it changes; once one has to ask. */
  async #askCase(id: string): Promise<void> {
    try {
      const own = (await this.client.rest("GET", `/rooms/${id}/case`)) as OwnCase;
      if (this.room.peek() === id) this.ownCase.value = own;
    } catch {
      // it is told with its next change
    }
  }

  #count(): void {
    this.unread.value = this.client.inbox.entries.get(this.room.peek() ?? "")?.unread ?? 0;
  }

  #listen(): void {
    const { client } = this;
    const on = <Name extends keyof Events>(name: Name, hear: (event: Events[Name]) => void): void => {
      this.#stops.push(client.on(name, hear));
    };
    for (const name of ROOM_EVENTS) {
      on(name, () => {
        this.beat.value++;
      });
    }
    on("live", ({ user, limits, again: back }) => {
      again();
      this.me.value = user;
      this.maxBytes.value = limits.text_bytes;
      this.online.value = "live";
      const room = this.room.peek();
      if (back && room !== undefined) void this.#askCase(room);
    });
    on("reconnecting", () => {
      this.online.value = navigator.onLine ? "reconnecting" : "offline";
    });
    on("closed", ({ error }) => {
      this.online.value = "offline";
      this.over.value = error !== undefined;
    });
    on("ownCase", (own) => {
      if (own.room === this.room.peek()) this.ownCase.value = own;
    });
    on("inbox", () => {
      this.#count();
    });
    on("room", ({ room, state }) => {
      // Two conversations have been made one.
      if (room === this.room.peek() && state.redirect_to !== null) void this.#enter(state.redirect_to, true).catch(() => undefined);
    });
    on("lost", ({ room }) => {
      if (room === this.room.peek()) batch(() => {
        this.room.value = this.view.value = this.ownCase.value = undefined;
      });
    });
  }
}
