/**
 * What one has written and nobody has stored: on its way, waiting for the connection or a check, or refused. A text
 * is in the composer, in the outbox, or here, until it is stored or its writer throws it away, also over a reload.
 */

import { batch, type Signal, signal } from "@preact/signals";
import type { DeskbellError, Message } from "@deskbell/client";
import { Aside } from "@deskbell/ui/aside.ts";
import type { Unsent } from "@deskbell/ui/timeline.ts";
import type { Session } from "./session.ts";

/** Why something was refused: a code for programs, and the rule's own word. */
export interface Why {
  code: string;
  rule?: string | undefined;
}

/** What the line above the composer says. */
export type Note = { is: "slow" } | { is: "refused"; why: Why };

export class Outgoing {
  readonly unsent: Signal<readonly Unsent[]> = signal([]);
  readonly note: Signal<Note | undefined> = signal();
  readonly #session: Session;
  readonly #aside: Aside;
  readonly #stored: Signal<number>;
  readonly #delayed = new Set<string>();

  /** `stored` is told when stored messages may have changed: what is not sent and what is are drawn in one go. */
  constructor(session: Session, stored: Signal<number>) {
    this.#session = session;
    this.#stored = stored;
    this.#aside = new Aside(session.keep);
    const { client } = session;
    client.on("delayed", ({ clientId, error }) => {
      this.#delayed.add(clientId);
      if (error.code === "rate_limited") this.note.value = { is: "slow" };
      this.recount();
    });
    client.on("sent", ({ room, clientId, ack }) => {
      this.#answered(clientId);
      const content = this.unsent.peek().find((one) => one.clientId === clientId)?.content;
      if (ack.held && content !== undefined) this.#aside.put(room, { clientId, content, state: "held" });
      this.recount();
    });
    client.on("notSent", ({ room, clientId, content, error }) => {
      this.#answered(clientId);
      this.#refused(room, clientId, content, error);
      this.recount();
    });
    client.on("held", () => {
      this.ask();
    });
    client.on("live", () => {
      this.recount();
      this.ask();
    });
  }

  send(room: string, content: string, replyTo: string | undefined): void {
    this.note.value = undefined;
    // What becomes of it is told by events, also to the next page.
    this.#session.client.sendMessage(room, content, replyTo === undefined ? {} : { reply_to: replyTo }).catch(() => undefined);
    this.recount();
  }

  /** Messages of one's own are stored. */
  stored(messages: readonly Message[]): void {
    if (messages.length === 0) return;
    for (const { room, client_id: clientId } of messages) this.#aside.take(room, clientId);
    this.recount();
  }

  /** Put what was refused back into the composer. */
  rewrite(unsent: Unsent): void {
    const { draft } = this.#session;
    this.discard(unsent);
    draft.value = draft.value.trim() ? `${draft.value}\n${unsent.content}` : unsent.content;
  }

  discard({ clientId }: Unsent): void {
    this.#aside.take(this.#session.room.peek(), clientId);
    this.recount();
  }

  /** What waited for a check may have been decided, also while nobody was here to be told. */
  ask(): void {
    const room = this.#session.room.peek();
    if (room === undefined || !this.#aside.of(room).some(({ state }) => state === "held")) return;
    void import("./checks.ts").then(async ({ decided }) => {
      await decided(this.#session.client, room, this.#aside);
      this.recount();
    }).catch(() => undefined); // it is asked again with the next connection
  }

  recount(): void {
    const room = this.#session.room.peek();
    const letters = room === undefined ? [] : this.#session.client.unsent(room).map((letter): Unsent => {
      const state = this.#delayed.has(letter.client_id) ? "delayed" : "sending";
      return { clientId: letter.client_id, content: letter.content, state, replyTo: letter.reply_to ?? undefined };
    });
    batch(() => {
      this.#stored.value++;
      this.unsent.value = room === undefined ? [] : [...this.#aside.of(room), ...letters];
    });
  }

  /** Do something to a message; whether it was done. A refusal is said above the composer. */
  async tried(doing: Promise<unknown>): Promise<boolean> {
    try {
      await doing;
      this.note.value = undefined;
      return true;
    } catch (thrown) {
      this.note.value = { is: "refused", why: whyOf(thrown) };
      return false;
    }
  }

  #answered(clientId: string): void {
    this.#delayed.delete(clientId);
    if (this.#delayed.size === 0 && this.note.peek()?.is === "slow") this.note.value = undefined;
  }

  /** What a filter refuses goes back to where it can be changed; all else waits to be sent again. */
  #refused(room: string, clientId: string, content: string, error: DeskbellError): void {
    const why = whyOf(error);
    const { draft } = this.#session;
    if (why.code === "blocked" && draft.peek().trim() === "" && room === this.#session.room.peek()) {
      draft.value = content;
      this.note.value = { is: "refused", why };
      return;
    }
    this.#aside.put(room, { clientId, content, state: "failed", error: why });
  }
}

function whyOf(thrown: unknown): Why {
  const { code = "", details } = thrown as Partial<DeskbellError>;
  const rule = details?.["rule"];
  return { code, rule: typeof rule === "string" ? rule : undefined };
}
