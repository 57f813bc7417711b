/**
 * The client: one socket that comes back, the rooms followed over it, and the outbox.
 *
 * Promises:
 *
 * - What was followed is followed again after any break, from the position reached: each new message is told once
 *   and in order, or the room is loaded afresh and says so.
 * - A message given to `sendMessage` is sent until it has its one terminal reply, always under the same `client_id`,
 *   also by the next page.
 * - Every other request is repeated after a break, in the order in which it was made.
 *
 * It shows nothing, and keeps no history beyond the rooms it follows.
 */

import { Connection } from "./connection.ts";
import { asError, ConnectionOver, type DeskbellError, notUnderstood } from "./errors.ts";
import { type Events, Listeners } from "./events.ts";
import { Following, type Speaker } from "./following.ts";
import type { Ack, ClientFrame, HistoryFrame, Message, PublicUser, RoomState, Send } from "./generated.ts";
import { hear, type Hearers } from "./hearing.ts";
import { Inbox } from "./inbox.ts";
import { type Letter, Outbox } from "./outbox.ts";
import { Post } from "./post.ts";
import { promised, type Promised } from "./promised.ts";
import { type Answer, Requests } from "./requests.ts";
import { Rest } from "./rest.ts";
import type { RoomView } from "./room.ts";
import { ownShelf, type Shelf } from "./shelf.ts";
import { ownSurroundings, type Surroundings } from "./surroundings.ts";
import { ownTabs, type Tabs } from "./tabs.ts";
import { claims, type Login, Tokens } from "./tokens.ts";

export interface Options {
  /** Where the refresh token and the outbox outlive the page; else `localStorage`. */
  shelf?: Shelf;
  tabs?: Tabs;
  surroundings?: Surroundings;
}

export type SendFields = Partial<Omit<Send, "type" | "room" | "content" | "ref" | "client_id">> & { clientId?: string };
export type HistoryBounds = Partial<Record<"before" | "after" | "limit", number>> & { around?: number | string; at?: string };

export class Client {
  user: PublicUser | undefined;
  readonly inbox: Inbox;
  readonly #listeners = new Listeners();
  readonly #around: Surroundings;
  readonly #tabs: Tabs;
  readonly #rest: Rest;
  readonly #tokens: Tokens;
  readonly #following: Following;
  readonly #requests: Requests;
  readonly #post: Post;
  readonly #ready: Promised<PublicUser> = promised();
  #connection: Connection | undefined;
  #over: DeskbellError | undefined;
  #ref = 0;
  readonly #hearers: Hearers;

  /** `url` is the server's address, without `/api/v1`. Throws a `TypeError` for what is none. */
  constructor(url: string, login: Login, options: Options = {}) {
    const name = shelfName(url, login);
    const shelf = options.shelf ?? ownShelf(name);
    this.#around = options.surroundings ?? ownSurroundings();
    this.#tabs = options.tabs ?? ownTabs(name);
    this.#rest = new Rest(url, this.#around);
    this.#tokens = new Tokens(login, this.#rest, shelf, this.#tabs, this.#around);
    const speaker: Speaker = {
      ready: () => this.#connection?.welcome !== undefined,
      say: (frame) => this.#connection?.say(frame),
      nextRef: () => ++this.#ref,
      tell: (told) => {
        this.#listeners.tell(told);
      },
    };
    this.#following = new Following(speaker, this.#around);
    this.#requests = new Requests(speaker);
    this.#post = new Post(speaker, new Outbox(shelf), this.#tabs, this.#around, this.#following);
    this.inbox = new Inbox((path) => this.rest("GET", path), speaker.tell);
    this.#hearers = {
      following: this.#following,
      requests: this.#requests,
      post: this.#post,
      inbox: this.inbox,
      tell: speaker.tell,
    };
    this.#listeners.on("live", ({ user }) => {
      this.user = user;
      this.#ready.resolve(user);
    });
  }

  /** Whether this browser has a login of this user from before: connecting makes nobody new. */
  get known(): boolean {
    return this.#tokens.kept;
  }

  // -- life

  /** Connect, and stay connected. Resolves at the first welcome; rejects when there will be none. */
  connect(): Promise<PublicUser> {
    if (this.#over) return Promise.reject(this.#over);
    this.#connection ??= new Connection(this.#rest, this.#tokens, this.#around, {
      tell: (told) => {
        this.#listeners.tell(told);
      },
      hear: (frame) => {
        hear(frame, this.#hearers);
      },
      welcomed: () => {
        this.#following.welcomed();
        this.#requests.welcomed();
        this.#post.welcomed();
        void this.inbox.heal();
      },
      lost: () => {
        this.#following.lost();
        this.#post.lost();
      },
      over: (error) => {
        this.#end(error);
      },
    });
    return this.#ready.promise;
  }

  /** Close the socket and be done. What is unsent stays on the shelf. */
  disconnect(): void {
    if (this.#connection) this.#connection.stop();
    else this.#end(new ConnectionOver());
  }

  /** Disconnect, end the login, and forget what this browser kept of it, unsent messages too. */
  async logout(): Promise<void> {
    for (const { room, client_id } of this.#post.unsent()) this.#post.withdraw(room, client_id);
    await this.#tokens.forget().finally(() => {
      this.disconnect();
    });
  }

  /** Listen to one kind of event; what comes back stops it. */
  on<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): () => void {
    return this.#listeners.on(name, listener);
  }

  /** Hear each new message of the rooms followed, once and in order. */
  onMessage(listener: (message: Message, room: string) => void): () => void {
    return this.on("message", ({ message, room }) => {
      listener(message, room);
    });
  }

  // -- rooms

  /** The id of the socket, while there is one that was welcomed: what is saved under it is not told to this page. */
  get connection(): string | undefined {
    return this.#connection?.welcome?.connection;
  }

  /** The rooms followed, by id. */
  get rooms(): ReadonlyMap<string, RoomView> {
    return this.#following.rooms;
  }

  /** Follow a room, now and after every break; its view, complete. Rejects with `not_found` where it is not yours. */
  subscribe(room: string): Promise<RoomView> {
    return this.#over ? Promise.reject(this.#over) : this.#following.follow(room);
  }

  /** Follow a room no more, and forget it. */
  async unsubscribe(room: string): Promise<void> {
    this.#following.drop(room);
    if (this.#connection?.welcome) await this.#ask({ type: "unsubscribe", rooms: [room] }, "ok");
  }

  /** The visitor's conversation: the one under way, or a new one. */
  async openConversation(fields: Record<string, unknown> = {}): Promise<RoomState> {
    return (await this.rest("POST", "/support/conversations", fields)) as RoomState;
  }

  // -- saying things

  /**
   * Send a message. It is in the outbox when this returns; the promise is its terminal reply: committed, or held for
   * a reviewer (`ack.held`). Where the server asks to try again later, that is done.
   */
  sendMessage(room: string, content: string, fields: SendFields = {}): Promise<Ack> {
    if (this.#over) return Promise.reject(this.#over);
    const { clientId = `c-${crypto.randomUUID()}`, ...rest } = fields;
    // As JSON, so that nothing changes it afterwards.
    const letter = JSON.stringify({ type: "send", room, client_id: clientId, content, ...rest } satisfies Letter);
    return this.#post.put(JSON.parse(letter) as Letter);
  }

  /** Messages that no followed room has told yet, oldest first: to be shown as *sending*. */
  unsent(room?: string): Letter[] {
    return this.#post.unsent(room);
  }

  editMessage(message: string, content: string): Promise<Ack> {
    return this.#ask({ type: "edit", message, content }, "ack");
  }

  removeMessage(message: string): Promise<Ack> {
    return this.#ask({ type: "delete", message }, "ack");
  }

  react(message: string, emoji: string): Promise<Ack> {
    return this.#ask({ type: "react", message, emoji }, "ack");
  }

  unreact(message: string, emoji: string): Promise<Ack> {
    return this.#ask({ type: "unreact", message, emoji }, "ack");
  }

  /** Say that everything up to `seq` was read. Marks only move up. */
  async markRead(room: string, seq: number): Promise<void> {
    await this.#ask({ type: "read", room, seq }, "ok");
  }

  /** Say that everything up to `seq` has arrived; not repeated when it is lost. */
  markDelivered(room: string, seq: number): void {
    this.#connection?.say({ type: "delivered", room, seq });
  }

  /** Say that one is typing; not repeated when it is lost. */
  setTyping(room: string, on: boolean): void {
    this.#connection?.say({ type: "typing", room, on });
  }

  /** For agents: say which conversation this page shows; not repeated after a break, so say it at each `live`. */
  setViewing(room: string | null): void {
    this.#connection?.say({ type: "view", room });
  }

  /** A part of a room's past, oldest first. What is older than a followed room's view joins the view. */
  async history(room: string, bounds: HistoryBounds = {}): Promise<HistoryFrame> {
    const found = await this.#ask({ type: "history", room, limit: 50, ...bounds }, "history");
    const view = this.rooms.get(room);
    const first = found.messages[0];
    if (view && first && bounds.before !== undefined && bounds.before <= view.oldest) view.reachesBackTo(first.seq);
    return found;
  }

  /** Ask for a person. Asking again changes nothing. */
  async escalate(room: string, reason = "asked_human"): Promise<void> {
    await this.#ask({ type: "escalate", room, reason }, "ok");
  }

  /** End the bot's running answer. */
  async stop(room: string, turn: string): Promise<void> {
    await this.#ask({ type: "stop", room, turn }, "ok");
  }

  /** One REST call as this user; `path` begins after `/api/v1`. An expired token is renewed once. */
  async rest(method: string, path: string, body?: unknown): Promise<unknown> {
    const token = await this.#tokens.access();
    try {
      return await this.#rest.call(method, path, body, token);
    } catch (thrown) {
      const { code } = asError(thrown);
      if (!(code === "unauthenticated" || code === "token_expired") || !this.#tokens.renewable) throw thrown;
    }
    return this.#rest.call(method, path, body, await this.#tokens.renew(token));
  }

  async #ask<Kind extends Answer["type"]>(frame: ClientFrame, kind: Kind): Promise<Extract<Answer, { type: Kind }>> {
    if (this.#over) throw this.#over;
    const answer = await this.#requests.ask(frame);
    if (answer.type !== kind) throw notUnderstood();
    return answer as Extract<Answer, { type: Kind }>;
  }

  /** It is over: everybody who waits is told why. */
  #end(error: DeskbellError): void {
    if (this.#over) return;
    this.#over = error;
    this.#tabs.close();
    this.#ready.reject(error);
    this.#following.over(error);
    this.#requests.over(error);
    this.#post.over(error);
  }
}

/** What one user of one site keeps must not be found by the next user of the same browser. */
function shelfName(url: string, login: Login): string {
  let who = "";
  if ("siteKey" in login) who = `${login.siteKey}/${subject(login.identity)}`;
  else if ("email" in login) who = login.email;
  else if ("token" in login && typeof login.token === "string") who = subject(login.token);
  return `deskbell/${url}/${who}`;
}

function subject(token = ""): string {
  const { sub } = claims(token);
  return typeof sub === "string" ? sub : "";
}
