/** The few REST calls of a client, and what their refusals mean. */

import { DeskbellError, Unreachable, notUnderstood } from "./errors.ts";
import type { Surroundings } from "./surroundings.ts";

const TIMEOUT_MS = 15_000;

export class Rest {
  readonly #base: string;
  readonly #around: Surroundings;

  /** `url` is the server's address, without `/api/v1`. Throws a `TypeError` for what is none. */
  constructor(url: string, around: Surroundings) {
    const { protocol, href } = new URL(url);
    if (protocol !== "http:" && protocol !== "https:") {
      throw new TypeError(`an address looks like https://desk.example.com, not ${url}`);
    }
    this.#base = `${href.replace(/[?#].*$/, "").replace(/\/+$/, "")}/api/v1`;
    this.#around = around;
  }

  get socketUrl(): string {
    return `ws${this.#base.slice("http".length)}/ws`;
  }

  /** The answer's JSON; `undefined` where it has none. Throws `Unreachable`, or the server's refusal. */
  async call(method: string, path: string, body?: unknown, token?: string): Promise<unknown> {
    const headers: Record<string, string> = {};
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (token !== undefined) headers["Authorization"] = `Bearer ${token}`;
    const gaveUp = new AbortController();
    const callOff = this.#around.after(TIMEOUT_MS, () => {
      gaveUp.abort();
    });
    let answer: Response;
    let text: string;
    try {
      const init: RequestInit = { method, headers, signal: gaveUp.signal, redirect: "error", credentials: "omit" };
      if (body !== undefined) init.body = JSON.stringify(body);
      answer = await this.#around.fetch(this.#base + path, init);
      text = await answer.text();
    } catch {
      throw new Unreachable();
    } finally {
      callOff();
    }
    if (!answer.ok) throw refused(answer.status, answer.headers.get("Retry-After"), text);
    if (!text) return undefined;
    try {
      return JSON.parse(text);
    } catch {
      throw notUnderstood();
    }
  }
}

interface Refusal {
  code: string;
  message: string;
  temporary?: boolean;
  retry_after_ms?: number | null;
  details?: Record<string, unknown> | null;
}

function refused(status: number, retryAfter: string | null, text: string): DeskbellError {
  const afterMs = retryAfter !== null && /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1000 : undefined;
  try {
    const told = (JSON.parse(text) as { error?: Partial<Refusal> } | null)?.error;
    if (typeof told?.code === "string") {
      return refusal({ message: "", ...told, code: told.code, retry_after_ms: told.retry_after_ms ?? afterMs ?? null });
    }
  } catch {
    // not one of ours
  }
  // A balancer's own page: the server behind it was not asked, or did not answer.
  return status === 429 || status >= 500 ? new Unreachable(afterMs) : notUnderstood();
}

/** The error that stands in an `error` frame or body. */
export function refusal(told: Refusal): DeskbellError {
  return new DeskbellError(told.code, told.message, {
    temporary: told.temporary,
    retryAfterMs: told.retry_after_ms ?? undefined,
    details: told.details ?? undefined,
  });
}
