/**
 * The one connection of a client: it gets in, comes back after every break, keeps its token fresh, and goes when the
 * server drains. What is said over it is other modules' business.
 */

import { askedMs, backoffMs } from "./backoff.ts";
import { finalError, mayReconnect, NO_CODE, RATE, TOKEN_EXPIRED } from "./closing.ts";
import { asError, ConnectionOver, type DeskbellError, notUnderstood } from "./errors.ts";
import type { Told } from "./events.ts";
import type { ClientFrame, ServerFrame, Welcome } from "./generated.ts";
import { Line, type LineEnd } from "./line.ts";
import type { Rest } from "./rest.ts";
import type { Surroundings } from "./surroundings.ts";
import type { Tokens } from "./tokens.ts";

const SETTLED_MS = 10_000; // a connection that lasted this long was a good one

/** Who uses a connection. */
export interface Caller {
  tell(told: Told): void;
  hear(frame: ServerFrame): void;
  /** The server has said welcome: now is the time to ask for rooms and to send what waits. */
  welcomed(): void;
  /** The line is gone; nothing said on it will be answered. */
  lost(): void;
  /** There will be no connection again. */
  over(error: DeskbellError): void;
}

export class Connection {
  readonly #rest: Rest;
  readonly #tokens: Tokens;
  readonly #around: Surroundings;
  readonly #caller: Caller;
  readonly #sleep: () => void;
  #line: Line | undefined;
  #wake: (() => void) | undefined; // ends the pause between two attempts
  #leaveAt: number | undefined;
  #callOff: () => void = () => undefined;
  #renewing: () => void = () => undefined;
  #stopped = false;
  #again = false;
  #token = "";
  #firstFrameAuth = false;

  constructor(rest: Rest, tokens: Tokens, around: Surroundings, caller: Caller) {
    this.#rest = rest;
    this.#tokens = tokens;
    this.#around = around;
    this.#caller = caller;
    this.#sleep = around.onWake(() => {
      this.#wake?.();
      this.#line?.doubt();
    });
    void this.#run();
  }

  /** What the server said at the welcome of the line that is open; `undefined`: there is none. */
  get welcome(): Welcome | undefined {
    return this.#line?.welcome;
  }

  /** Say it now, or not at all. */
  say(frame: ClientFrame): void {
    if (this.welcome) this.#line?.say(frame);
  }

  stop(): void {
    this.#over(1000);
  }

  async #run(): Promise<void> {
    let attempt = 0;
    try {
      while (!this.#isStopped()) {
        attempt++;
        this.#caller.tell({ name: "connecting", event: { attempt } });
        const started = this.#around.now();
        const { code, reason, waitMs } = await this.#once();
        if (this.#isStopped()) return;
        if (this.#around.now() - started >= SETTLED_MS) attempt = 0;
        if (code === RATE) attempt = Math.max(attempt, 4);
        await this.#pause(waitMs ?? backoffMs(attempt, this.#around.random()), code, reason);
      }
    } catch (thrown) {
      const error = asError(thrown);
      this.#over(error instanceof ConnectionOver ? error.closeCode : NO_CODE, error);
    }
  }

  /** One connection from its beginning to its end. Throws what is final. */
  async #once(): Promise<LineEnd & { waitMs?: number }> {
    this.#leaveAt = undefined;
    let end: LineEnd;
    try {
      const line = await this.#dial();
      if (this.#isStopped()) {
        line.cut();
        return { code: NO_CODE, reason: "" };
      }
      this.#line = line;
      end = await line.ended;
    } catch (thrown) {
      const error = asError(thrown);
      if (!error.temporary) throw error;
      const waitMs = error.retryAfterMs;
      const late = waitMs === undefined ? {} : { waitMs: askedMs(waitMs, this.#around.random()) };
      return { code: NO_CODE, reason: error.message, ...late };
    }
    this.#hangUp();
    if (this.#isStopped()) return end;
    if (end.code === TOKEN_EXPIRED) return { ...end, ...(await this.#renewAfterExpiry()) };
    if (!mayReconnect(end.code)) throw finalError(end.code, end.reason);
    return { ...end, ...this.#drained() };
  }

  /** How long the server that drains has asked to wait. */
  #drained(): { waitMs?: number } {
    return this.#leaveAt === undefined ? {} : { waitMs: Math.max(0, this.#leaveAt - this.#around.now()) };
  }

  /** A line, authenticated by a ticket of its own or about to be by its first frame. */
  async #dial(): Promise<Line> {
    this.#token = await this.#tokens.access();
    let url = this.#rest.socketUrl;
    if (!this.#firstFrameAuth) {
      try {
        url += `?ticket=${encodeURIComponent(await this.#ticket())}`;
      } catch (thrown) {
        if (asError(thrown).code !== "not_found") throw thrown;
        this.#firstFrameAuth = true; // a server without tickets takes the token as the first frame
      }
    }
    const first: ClientFrame | undefined = this.#firstFrameAuth ? { type: "auth", token: this.#token } : undefined;
    return new Line(url, this.#around, this.#hear, first);
  }

  async #ticket(): Promise<string> {
    let answer: unknown;
    try {
      answer = await this.#rest.call("POST", "/ws-tickets", {}, this.#token);
    } catch (thrown) {
      const { code } = asError(thrown);
      if (!(code === "unauthenticated" || code === "token_expired") || !this.#tokens.renewable) throw thrown;
      this.#token = await this.#tokens.renew(this.#token);
      answer = await this.#rest.call("POST", "/ws-tickets", {}, this.#token);
    }
    const { ticket } = (answer ?? {}) as { ticket?: unknown };
    if (typeof ticket !== "string") throw notUnderstood();
    return ticket;
  }

  readonly #hear = (frame: ServerFrame, line: Line): void => {
    if (line !== this.#line) return;
    switch (frame.type) {
      case "welcome": {
        const again = this.#again;
        this.#again = true;
        const { user, connection, limits, server_time: serverTime } = frame;
        this.#caller.tell({ name: "live", event: { user, connection, again, limits, serverTime } });
        this.#caller.welcomed();
        this.#keepToken(0);
        break;
      }
      case "drain":
        // Go when it was said, if the server has not closed by then; others are told other moments.
        this.#leaveAt = this.#around.now() + frame.reconnect_in_ms;
        this.#callOff = this.#around.after(frame.reconnect_in_ms, () => {
          line.cut();
        });
        break;
      default:
        this.#caller.hear(frame);
    }
  };

  /** Renew the token before it ends, and tell the open socket. */
  #keepToken(tries: number): void {
    if (!this.#tokens.renewable) return;
    const waitMs = Math.max(this.#tokens.dueInMs, tries ? backoffMs(tries, this.#around.random()) : 0);
    this.#renewing = this.#around.after(waitMs, () => {
      const line = this.#line;
      void this.#tokens.access().then(
        (token) => {
          this.#token = token;
          if (line !== this.#line) return;
          this.say({ type: "refresh", token });
          this.#keepToken(0);
        },
        (thrown: unknown) => {
          const error = asError(thrown);
          if (line !== this.#line) return;
          if (error.temporary) this.#keepToken(tries + 1);
          else this.#caller.tell({ name: "problem", event: { error } }); // the server will close with 4004
        },
      );
    });
  }

  async #renewAfterExpiry(): Promise<{ waitMs?: number }> {
    if (!this.#tokens.renewable) throw new ConnectionOver(TOKEN_EXPIRED, "The token has expired. Log in again.");
    try {
      await this.#tokens.renew(this.#token);
      return { waitMs: 0 };
    } catch {
      return {}; // the next attempt asks again, and ends if it is final
    }
  }

  async #pause(inMs: number, code: number, reason: string): Promise<void> {
    this.#caller.tell({ name: "reconnecting", event: { inMs, code, reason } });
    if (this.#isStopped()) return;
    await new Promise<void>((resolve) => {
      const callOff = this.#around.after(inMs, resolve);
      this.#wake = () => {
        callOff();
        resolve();
      };
    });
    this.#wake = undefined;
  }

  #hangUp(): void {
    this.#callOff();
    this.#renewing();
    this.#line = undefined;
    this.#caller.lost();
  }

  // Asked anew after each await; a field would be taken for what it was before.
  #isStopped(): boolean {
    return this.#stopped;
  }

  #over(code: number, error?: DeskbellError): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#sleep();
    this.#line?.cut();
    if (this.#line) this.#hangUp();
    this.#wake?.();
    this.#caller.over(error ?? new ConnectionOver(code));
    this.#caller.tell({ name: "closed", event: error ? { code, error } : { code } });
  }
}
