/**
 * What one does in a conversation, whichever way one asks for it: by button, menu or key. It holds what the parts of
 * the thread share beside the conversation itself: what is answered, edited, asked, looked for.
 */

import { computed, type ReadonlySignal, signal } from "@preact/signals";
import type { Message } from "@deskbell/client";
import { endOf } from "@deskbell/ui/ending.ts";
import { known } from "../acts.ts";
import { run } from "../commands.ts";
import type { Desk } from "../desk.ts";
import { addressOf, place } from "../route.ts";
import { say } from "../sayings.ts";
import { t } from "../words.ts";
import { Conversation } from "./conversation.ts";
import { type Answering, answering } from "./owner.ts";
import { isEvent } from "./rows.ts";

const TOLD_MS = 6_000;

export type Asking =
  | { kind: "delete" | "report" | "trace" | "revisions"; message: Message }
  | { kind: "date" }
  | { kind: "pins" };

export type Tab = "reply" | "note";

export class Talk {
  readonly desk: Desk;
  readonly conversation: Conversation;
  readonly answering: ReadonlySignal<Answering | undefined>;
  readonly tab = signal<Tab>("reply");
  readonly replyTo = signal<Message | undefined>(undefined);
  readonly editing = signal<Message | undefined>(undefined);
  readonly asking = signal<Asking | undefined>(undefined);
  readonly finding = signal(false);
  /** Moves when the composer shall take the focus. */
  readonly focus = signal(0);
  /** Text to write on with, such as what was refused. */
  readonly back = signal<{ text: string; tab: Tab } | undefined>(undefined);
  /** A short word about what was just done, in the composer. */
  readonly told = signal("");
  /** One has marked what is here as unread: it stays so until one writes or comes again. */
  unreadKept = false;

  constructor(desk: Desk, room: string) {
    this.desk = desk;
    this.conversation = new Conversation(desk.client, room);
    this.answering = computed(() => {
      const { state, case: row, rows } = this.conversation;
      // The rows move with each message; the newest of them are with the client, wherever one has scrolled to.
      const ended = rows.value.length > 0 && endOf(desk.client.rooms.get(room)?.messages.values() ?? []) !== undefined;
      return answering(state.value, row.value, desk.me.value.user.id, ended);
    });
  }

  get room(): string {
    return this.conversation.id;
  }

  /** Whether what is written in the reply tab would be refused: somebody else answers. */
  readonly mayReply: ReadonlySignal<boolean> = computed(() => this.answering.value?.side === "me");

  // -- the conversation

  /** Answer oneself from now on. */
  async takeOver(): Promise<boolean> {
    const { case: row } = this.conversation;
    const { act } = this.desk;
    const waiting = row.value?.status === "waiting" ? row.value : undefined;
    const went = await (waiting ? act.claim(waiting) : act.takeOver(this.room));
    if (went) {
      const name = this.conversation.visitor.value?.name ?? "";
      this.told.value = t("thread.taken-over", { name });
      setTimeout(() => { this.told.value = ""; }, TOLD_MS);
      this.write("reply");
    }
    return went;
  }

  async resolve(next = false): Promise<void> {
    const row = this.conversation.case.value;
    if (!row) return;
    if (next && run("case.resolve-next")) return;
    await this.desk.act.resolve(row);
  }

  // -- messages

  write(tab: Tab, text?: string): void {
    if (tab === "note" && this.conversation.back.value === undefined) return;
    this.tab.value = tab;
    if (text !== undefined) this.back.value = { text, tab };
    this.focus.value++;
  }

  reply(message: Message): void {
    this.replyTo.value = message;
    this.write(message.room === this.room ? "reply" : "note");
  }

  /** The last thing one has said here, where it can still be mended. */
  lastOfMine(): Message | undefined {
    const { history, me } = this.conversation;
    const note = this.tab.peek() === "note" || !this.mayReply.peek();
    const all = note ? history.notes.messages : history.front.messages;
    const last = all.findLast((message) => message.sender.id === me && !message.deleted && !isEvent(message));
    return last && this.mayEdit(last) ? last : undefined;
  }

  mayEdit(message: Message): boolean {
    return message.sender.id === this.conversation.me && !message.deleted && !isEvent(message) && this.#within(message, "edit_window_s");
  }

  /** Agents may take back anything said in a support conversation. */
  mayDelete(message: Message): boolean {
    return !message.deleted && !isEvent(message);
  }

  async edit(message: Message, text: string): Promise<boolean> {
    return this.#said(() => this.desk.client.editMessage(message.id, text));
  }

  async remove(message: Message): Promise<void> {
    await this.#said(() => this.desk.client.removeMessage(message.id));
  }

  async react(message: Message, emoji: string): Promise<void> {
    const mine = message.reactions.some((one) => one.emoji === emoji && one.users.includes(this.conversation.me));
    const { client } = this.desk;
    await this.#said(() => (mine ? client.unreact(message.id, emoji) : client.react(message.id, emoji)));
  }

  async pin(message: Message): Promise<void> {
    await this.#said(() => this.desk.rest(message.pinned ? "DELETE" : "PUT", `/messages/${message.id}/pin`));
  }

  async report(message: Message, reason: string, comment: string): Promise<void> {
    const went = await this.#said(() => this.desk.rest("POST", `/messages/${message.id}/report`, { reason, ...(comment ? { comment } : {}) }));
    if (went) say(t("thread.reported"));
  }

  /** A link to the conversation, or to one message of it, in the clipboard. */
  async copyLink(message?: Message): Promise<void> {
    const now = place.value;
    const list = now.screen === "inbox" ? now.list : "all";
    const address = addressOf({ screen: "inbox", list, room: this.room, ...(message ? { message: message.id } : {}) });
    try {
      await navigator.clipboard.writeText(new URL(address, location.href).href);
      say(t("thread.copied"));
    } catch {
      say(t("thread.copy-failed"), { bad: true });
    }
  }

  async lead(message: string | number): Promise<void> {
    await this.#said(() => this.conversation.goTo(message));
  }

  /** Everything from this message on is unread again, and stays so until one comes back. */
  async markUnread(message?: Message): Promise<void> {
    const { history, visitor, leftAt } = this.conversation;
    const theirs = message ?? history.front.messages.findLast((one) => one.sender.id === visitor.value?.id);
    if (!theirs) return;
    const went = await this.#said(() => this.desk.rest("POST", `/rooms/${this.room}/unread`, { seq: theirs.seq }));
    if (!went) return;
    this.unreadKept = true;
    leftAt.value = theirs.seq - 1;
    this.conversation.touch();
    say(t("thread.unread.done"));
  }

  #within(message: Message, window: "edit_window_s"): boolean {
    const seconds = this.conversation.state.value?.policy[window];
    if (seconds === null) return true;
    if (typeof seconds !== "number") return true; // the server will say
    return this.desk.now.value - Date.parse(message.created_at) <= seconds * 1000;
  }

  /** Do it; a refusal is said in words. Whether it went. */
  async #said(work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (thrown) {
      say(this.desk.act.reason(known(thrown)), { bad: true });
      return false;
    }
  }
}
