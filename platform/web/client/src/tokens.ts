/**
 * How a client proves who it is, and keeps doing so: log in, renew before expiry, one renewal at a time in all tabs.
 *
 * A refresh token works once; using one again ends the session. So its successor is on the shelf before anybody
 * is given the new access token, and each tab looks there before it uses the one it knows.
 */

import { DeskbellError, asError, notUnderstood } from "./errors.ts";
import type { Rest } from "./rest.ts";
import type { Shelf } from "./shelf.ts";
import type { Surroundings } from "./surroundings.ts";
import type { Tabs } from "./tabs.ts";

/** Who one is, in one of four ways. */
export type Login =
  | { siteKey: string; identity?: string; name?: string }
  | { email: string; password: string }
  | { refreshToken: string }
  | { token: string | (() => Promise<string>) };

const LIFETIME_MS = 900_000;
const SHELF_KEY = "refresh";

interface Session {
  access_token: string;
  refresh_token?: string;
  expires_in?: number;
}

export class Tokens {
  readonly #rest: Rest;
  readonly #shelf: Shelf;
  readonly #tabs: Tabs;
  readonly #around: Surroundings;
  readonly #login: Login;
  #access: string | undefined;
  #due = 0;
  #unkept: string | undefined; // a refresh token for which the shelf had no place
  readonly #spent = new Set<string>();

  constructor(login: Login, rest: Rest, shelf: Shelf, tabs: Tabs, around: Surroundings) {
    this.#rest = rest;
    this.#shelf = shelf;
    this.#tabs = tabs;
    this.#around = around;
    this.#login = login;
    if ("token" in login && typeof login.token === "string") this.#given(login.token);
  }

  /** Whether there is any way to a new access token. */
  get renewable(): boolean {
    return !("token" in this.#login && typeof this.#login.token === "string");
  }

  /** Whether a login of an earlier page is on the shelf. */
  get kept(): boolean {
    return this.#shelf.get(SHELF_KEY) !== undefined;
  }

  /** How long until the token should be renewed; 0: now. */
  get dueInMs(): number {
    return Math.max(0, this.#due - this.#around.now());
  }

  /** An access token that has not expired, as far as one can tell from here. */
  async access(): Promise<string> {
    if (this.#access !== undefined && (this.dueInMs > 0 || !this.renewable)) return this.#access;
    return this.renew(this.#access);
  }

  /** A token other than `spent`. Callers that come together get the same one. */
  async renew(spent: string | undefined): Promise<string> {
    return this.#tabs.alone("tokens", async () => {
      if (this.#access !== undefined && this.#access !== spent) return this.#access;
      return this.#renewed();
    });
  }

  /** Log out: the refresh token is spent and forgotten. */
  async forget(): Promise<void> {
    if (this.#shelf.get(SHELF_KEY) === undefined) return;
    let refresh: string | undefined;
    let token: string;
    try {
      token = await this.access(); // first, since renewing it puts another refresh token on the shelf
    } finally {
      refresh = this.#shelf.get(SHELF_KEY);
      this.#shelf.remove(SHELF_KEY);
    }
    await this.#rest.call("POST", "/auth/logout", { refresh_token: refresh }, token);
  }

  async #renewed(): Promise<string> {
    const login = this.#login;
    if ("token" in login) {
      if (typeof login.token === "string") {
        throw new DeskbellError("unauthenticated", "The token has expired and there is no way to renew it. Log in again.");
      }
      return this.#given(await login.token());
    }
    let refused: DeskbellError | undefined;
    for (const refresh of this.#refreshTokens()) {
      try {
        const answer = await this.#rest.call("POST", "/auth/refresh", { refresh_token: refresh });
        this.#spent.add(refresh);
        return this.#taken(answer);
      } catch (thrown) {
        refused = asError(thrown);
        if (refused.temporary || refused.code === "not_understood") throw refused;
        this.#spent.add(refresh);
        this.#shelf.remove(SHELF_KEY);
      }
    }
    if ("siteKey" in login) {
      const { siteKey, identity, name } = login;
      return this.#taken(await this.#rest.call("POST", "/auth/visitors", { site_key: siteKey, identity, name }));
    }
    if ("email" in login) return this.#taken(await this.#rest.call("POST", "/auth/login", login));
    throw refused ?? new DeskbellError("unauthenticated", "The login is over. Log in again.");
  }

  /** Those that may still work, best first: what any tab kept last, what this one could not keep, what was given. */
  #refreshTokens(): string[] {
    const given = "refreshToken" in this.#login ? this.#login.refreshToken : undefined;
    const known = [this.#shelf.get(SHELF_KEY), this.#unkept, given].filter((token) => token !== undefined);
    return [...new Set(known)].filter((token) => !this.#spent.has(token));
  }

  #given(token: string): string {
    this.#access = token;
    this.#due = this.#around.now() + 0.8 * lifetimeMs(token);
    return token;
  }

  #taken(answer: unknown): string {
    const session = answer as Partial<Session> | undefined;
    if (typeof session?.access_token !== "string") throw notUnderstood();
    if (typeof session.refresh_token === "string") {
      try {
        this.#unkept = undefined;
        this.#shelf.set(SHELF_KEY, session.refresh_token);
      } catch {
        this.#shelf.remove(SHELF_KEY); // full: better none than one that is spent
        this.#unkept = session.refresh_token;
      }
    }
    this.#given(session.access_token);
    if (typeof session.expires_in === "number") this.#due = this.#around.now() + 800 * session.expires_in;
    return session.access_token;
  }
}

/** How long a token lasts from its making. Its end is not compared with this machine's clock, which may be wrong. */
export function lifetimeMs(token: string): number {
  const { exp, iat } = claims(token);
  return typeof exp === "number" && typeof iat === "number" ? Math.max(1000, (exp - iat) * 1000) : LIFETIME_MS;
}

/** What a JWT says, unchecked. */
export function claims(token: string): Record<string, unknown> {
  try {
    const body = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(body), (letter) => letter.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
  } catch {
    return {};
  }
}
