/** One open socket: frames in and out, and silence is noticed. How it ends is told once. */

import { NO_CODE } from "./closing.ts";
import type { ClientFrame, ServerFrame, Welcome } from "./generated.ts";
import { understood } from "./incoming.ts";
import type { Socket, Surroundings } from "./surroundings.ts";

const WELCOME_MS = 15_000;
const OPEN = 1;

export interface LineEnd {
  code: number;
  reason: string;
}

export class Line {
  welcome: Welcome | undefined;
  /** Settles when the socket is gone. */
  readonly ended: Promise<LineEnd>;
  readonly #socket: Socket;
  readonly #around: Surroundings;
  readonly #hear: (frame: ServerFrame, line: Line) => void;
  #end: ((end: LineEnd) => void) | undefined;
  #heardAt: number;
  #asked = false;
  #callOff: () => void;

  /** `first` is said as soon as the socket is open. */
  constructor(url: string, around: Surroundings, hear: (frame: ServerFrame, line: Line) => void, first?: ClientFrame) {
    this.#around = around;
    this.#hear = hear;
    this.#heardAt = around.now();
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#socket = around.open(url);
    this.#socket.onopen = () => {
      if (first) this.say(first);
    };
    this.#socket.onmessage = (event) => {
      this.#heard(event.data);
    };
    this.#socket.onclose = (event) => {
      this.#over({ code: event.code || NO_CODE, reason: event.reason });
    };
    this.#socket.onerror = () => undefined; // a close always follows
    this.#callOff = around.after(WELCOME_MS, () => {
      this.cut();
    });
  }

  say(frame: ClientFrame): void {
    if (this.#end && this.#socket.readyState === OPEN) this.#socket.send(JSON.stringify(frame));
  }

  /** Leave. A browser waits long for the other side to agree; nobody here does. */
  cut(): void {
    this.#over({ code: NO_CODE, reason: "" });
    this.#socket.close(1000);
  }

  /** Somebody has reason to doubt the line: ask, and do not wait as long as usual for an answer. */
  doubt(): void {
    if (!this.welcome || this.#asked) return;
    this.#ask(Math.min(5_000, this.welcome.heartbeat_ms / 2));
  }

  #heard(data: unknown): void {
    if (!this.#end) return;
    this.#heardAt = this.#around.now();
    const frame = understood(data);
    if (frame?.type === "welcome") {
      this.welcome = frame;
      this.#watch();
    }
    if (this.#asked) {
      this.#asked = false;
      this.#watch();
    }
    if (frame?.type === "ping") this.say({ type: "pong" });
    else if (frame) this.#hear(frame, this);
  }

  /** Ask when the line has gone quiet for one and a half heartbeats; two without a word are its end. */
  #watch(): void {
    const beat = this.welcome?.heartbeat_ms ?? WELCOME_MS;
    this.#callOff();
    const quiet = this.#around.now() - this.#heardAt;
    if (quiet >= 1.5 * beat) this.#ask(0.5 * beat);
    else {
      this.#callOff = this.#around.after(1.5 * beat - quiet, () => {
        this.#watch();
      });
    }
  }

  #ask(patience: number): void {
    this.#asked = true;
    this.say({ type: "ping" });
    this.#callOff();
    this.#callOff = this.#around.after(patience, () => {
      this.cut();
    });
  }

  #over(end: LineEnd): void {
    const tell = this.#end;
    this.#end = undefined;
    this.#callOff();
    tell?.(end);
  }
}
