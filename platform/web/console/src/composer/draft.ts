/**
 * What one has begun to write in one tab of one conversation, kept on the server a moment after each pause, so that
 * it is there on one's other devices and after a crash. What another device wrote is taken up where this field was
 * not touched since; where both were, the one who writes last wins, as on the server.
 */

import { signal } from "@preact/signals";
import type { SavedDraft } from "@deskbell/client";
import { known } from "../acts.ts";
import type { Conversation } from "../thread/conversation.ts";
import type { Tab } from "../thread/talk.ts";
import type { Begun } from "./sending.ts";

const PAUSE_MS = 700;
const AGAIN_MS = 5_000;

export class Draft {
  readonly text = signal("");
  readonly state = signal<"none" | "saving" | "saved" | "failed">("none");
  /** How the room stood when this was begun. */
  begun: Begun | undefined;
  readonly #conversation: Conversation;
  readonly #kind: Tab;
  readonly #off: () => void;
  #kept = ""; // what the server has, as far as is known
  #changedAt = new Date(0).toISOString();
  #touched = false; // something was written or heard here: what was kept before is known
  #busy: Promise<void> = Promise.resolve();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(conversation: Conversation, kind: Tab) {
    this.#conversation = conversation;
    this.#kind = kind;
    const offs = [
      conversation.client.on("draft", ({ room, kind: of, changed_at, draft }) => {
        if (room === conversation.id && of === kind && Date.parse(changed_at) >= Date.parse(this.#changedAt)) this.#heard(draft, changed_at);
      }),
      // Another tab of this browser may have sent it over this page's socket, which is then not told.
      conversation.client.on("message", ({ message }) => {
        const own = message.sender.id === conversation.me && (message.room === conversation.id || message.room === conversation.back.value);
        if (own && this.#kept !== "" && message.content.trim() === this.#kept.trim()) this.#heard(null, message.created_at);
      }),
      conversation.client.on("live", () => {
        if (this.state.value === "failed") this.#soon(0);
      }),
    ];
    this.#off = () => {
      for (const off of offs) off();
    };
  }

  /** Whether the server keeps something of this. */
  get kept(): boolean {
    return this.#kept !== "";
  }

  /** Fetch what another page or device has kept; ask only where there is something. */
  async load(): Promise<void> {
    if (this.#touched) return;
    try {
      const found = (await this.#conversation.client.rest("GET", `/rooms/${this.#conversation.id}/draft?kind=${this.#kind}`)) as SavedDraft;
      this.#heard(found, found.changed_at);
    } catch {
      // There is none, or it cannot be had now: the field is empty, and a frame may bring it.
    }
  }

  write(text: string): void {
    if (text === this.text.value) return;
    this.#touched = true;
    if (this.text.value.trim() === "" && text.trim() !== "") this.#begin();
    this.text.value = text;
    if (text.trim() === "") this.begun = undefined;
    this.state.value = "saving";
    this.#soon(PAUSE_MS);
  }

  /** What the room holds now was seen and is answered: the guard begins here. */
  seenAll(): void {
    if (this.begun) this.#begin();
  }

  /** It is being sent: nothing more is saved of it. Waits for what is being saved. */
  async over(): Promise<{ text: string; begun: Begun | undefined; kept: boolean }> {
    clearTimeout(this.#timer);
    const { begun } = this;
    const text = this.text.value;
    this.text.value = "";
    this.begun = undefined;
    this.state.value = "none";
    await this.#busy;
    const kept = this.kept;
    this.#kept = "";
    return { text, begun, kept };
  }

  /** One leaves: what is here is saved at once. */
  close(): void {
    this.#off();
    clearTimeout(this.#timer);
    if (this.text.value !== this.#kept) void this.#save();
  }

  #begin(): void {
    this.begun = { seq: this.#conversation.position, ownerVersion: this.#conversation.state.value?.owner_version ?? 0 };
  }

  #heard(draft: SavedDraft | null, changedAt: string): void {
    const untouched = this.text.value === this.#kept;
    this.#touched = true;
    this.#changedAt = changedAt;
    this.#kept = draft?.text ?? "";
    if (!untouched) return;
    this.text.value = this.#kept;
    this.begun = draft ? { seq: draft.seq ?? this.#conversation.position, ownerVersion: draft.owner_version ?? 0 } : undefined;
    this.state.value = draft ? "saved" : "none";
  }

  #soon(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => { void this.#save(); }, ms);
  }

  #save(): Promise<void> {
    this.#busy = this.#busy.then(() => this.#put());
    return this.#busy;
  }

  async #put(): Promise<void> {
    const { client, id } = this.#conversation;
    const text = this.text.value;
    if (text === this.#kept) {
      this.state.value = text ? "saved" : "none";
      return;
    }
    const connection = client.connection;
    try {
      if (text.trim() === "") {
        await client.rest("DELETE", `/rooms/${id}/draft?kind=${this.#kind}${connection === undefined ? "" : `&connection=${connection}`}`);
        this.#kept = text;
      } else {
        const body = { text, kind: this.#kind, seq: this.begun?.seq, owner_version: this.begun?.ownerVersion, connection };
        const saved = (await client.rest("PUT", `/rooms/${id}/draft`, body)) as SavedDraft;
        this.#changedAt = saved.changed_at;
        this.#kept = text;
      }
      if (this.text.value === text) this.state.value = text.trim() ? "saved" : "none";
    } catch (thrown) {
      this.state.value = "failed";
      if (known(thrown).temporary) this.#soon(known(thrown).retryAfterMs ?? AGAIN_MS);
    }
  }
}
