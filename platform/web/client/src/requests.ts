/**
 * Requests other than messages: each is said until it has its one terminal reply, after a break in the order in
 * which they were made. All of them set a state, so that doing them twice is doing them once.
 */

import type { DeskbellError } from "./errors.ts";
import type { Ack, ClientFrame, HistoryFrame, Ok } from "./generated.ts";
import type { Speaker } from "./following.ts";
import { promised, type Promised } from "./promised.ts";

export type Answer = Ack | Ok | HistoryFrame;

interface Request {
  frame: ClientFrame;
  done: Promised<Answer>;
}

export class Requests {
  readonly #speaker: Speaker;
  readonly #open = new Map<number, Request>();

  constructor(speaker: Speaker) {
    this.#speaker = speaker;
  }

  ask(frame: ClientFrame): Promise<Answer> {
    const ref = this.#speaker.nextRef();
    const request: Request = { frame: { ...frame, ref }, done: promised() };
    this.#open.set(ref, request);
    if (this.#speaker.ready()) this.#speaker.say(request.frame);
    return request.done.promise;
  }

  welcomed(): void {
    for (const request of this.#open.values()) this.#speaker.say(request.frame);
  }

  /** Take a reply; whether it answered one of these. */
  settle(answer: Answer): boolean {
    const request = this.#taken(answer.ref);
    request?.done.resolve(answer);
    return request !== undefined;
  }

  refused(ref: unknown, error: DeskbellError): boolean {
    const request = this.#taken(ref);
    request?.done.reject(error);
    return request !== undefined;
  }

  over(error: DeskbellError): void {
    for (const request of this.#open.values()) request.done.reject(error);
    this.#open.clear();
  }

  #taken(ref: unknown): Request | undefined {
    if (typeof ref !== "number") return undefined;
    const request = this.#open.get(ref);
    this.#open.delete(ref);
    return request;
  }
}
