/**
 * Who is logged in in this browser. The password is used once and kept nowhere; what stays is a refresh token on the
 * client's own shelf, under the user's id, so that two users of one browser never meet. Logging out wipes it, in all
 * tabs.
 *
 * All tabs are the same person, the one who logged in last, but for a window that was opened for somebody:
 * {@link openFor}. It stays theirs, whoever logs in elsewhere.
 */

import { Client, DeskbellError, ownShelf, ownSurroundings, ownTabs, wakeable } from "@deskbell/client";
import { type Keep, keepUnder } from "@deskbell/ui/keep.ts";
import type { Me } from "./records.ts";

const WHO = "deskbell/console/who";

export interface Session {
  client: Client;
  me: Me;
}

interface Tokens extends Me {
  refresh_token: string;
}

const logins = new WeakMap<Client, { user: string; wake: () => void }>();

const shelfOf = (user: string): string => `deskbell/console/${user}`;

/** Log in. Rejects with what the server says; with `not_staff` where the account is a visitor's or member's. */
export async function logIn(email: string, password: string, tenant?: string): Promise<Session> {
  const me = await admitted(email, password, tenant);
  remember(me);
  return { client: clientOf(me.user.id), me };
}

/** Log in, and give a window of this name to that user alone. Resolves to false where the browser opens no window. */
export async function openFor(email: string, password: string, name: string): Promise<boolean> {
  const me = await admitted(email, password);
  // What is open under that name stays as it is until it knows whose it is.
  const page = open("", name);
  if (!page) return false;
  page.sessionStorage.setItem(WHO, JSON.stringify(me));
  page.location.assign("/console");
  page.focus();
  return true;
}

async function admitted(email: string, password: string, tenant?: string): Promise<Me> {
  const answer = await ask("/auth/login", { email, password, ...(tenant ? { tenant } : {}) });
  const { user, role, refresh_token, tenant: of } = answer as Tokens;
  if (!role) {
    void ask("/auth/logout", { refresh_token }).catch(() => undefined);
    throw new DeskbellError("not_staff", "");
  }
  ownShelf(shelfOf(user.id)).set("refresh", refresh_token);
  return { user, tenant: of, role };
}

/** The login of an earlier page, if there is one. Whether it still holds, its first request will tell. */
export function restored(): Session | undefined {
  try {
    const me = JSON.parse(whose().getItem(WHO) ?? "null") as Me | null;
    if (!me || ownShelf(shelfOf(me.user.id)).get("refresh") === undefined) return undefined;
    return { client: clientOf(me.user.id), me };
  } catch {
    return undefined;
  }
}

/** Keep what a later page must know before it can ask: whose shelf to open, and what to draw first. */
export function remember(me: Me): void {
  try {
    whose().setItem(WHO, JSON.stringify(me));
  } catch {
    // Then a reload asks for the password.
  }
}

/** End the login and forget all that this browser kept of it; preferences stay. */
export async function logOut({ client, me }: Session): Promise<void> {
  whose().removeItem(WHO);
  try {
    await client.logout();
  } catch {
    // Not reached: the token is forgotten here all the same.
  }
  const shelf = ownShelf(shelfOf(me.user.id));
  for (const key of shelf.keys("")) shelf.remove(key);
}

/** Hear that another tab has logged out, or somebody else in. */
export function onOtherTab(changed: () => void): () => void {
  const heard = (event: StorageEvent): void => {
    if (event.key === WHO || (event.key?.endsWith("/refresh") && event.newValue === null)) changed();
  };
  addEventListener("storage", heard);
  return () => {
    removeEventListener("storage", heard);
  };
}

/** Where it says who this window's user is: the browser, or the window where that is for somebody. */
function whose(): Storage {
  return sessionStorage.getItem(WHO) === null ? localStorage : sessionStorage;
}

function clientOf(user: string): Client {
  const name = shelfOf(user);
  const around = wakeable(ownSurroundings());
  const client = new Client(location.origin, { refreshToken: "" }, { shelf: ownShelf(name), tabs: ownTabs(name), surroundings: around });
  logins.set(client, { user, wake: () => { around.wake(); } });
  return client;
}

/** Do not wait for the next attempt to connect. */
export function tryNow(client: Client): void {
  logins.get(client)?.wake();
}

/** What is kept in this browser for who uses this client, until they log out. */
export function keepOf(client: Client): Keep {
  return keepUnder("localStorage", `${shelfOf(logins.get(client)?.user ?? "")}/`);
}

async function ask(path: string, body: unknown): Promise<unknown> {
  let answer: Response;
  let told: { error?: { code?: string; message?: string; temporary?: boolean } };
  try {
    answer = await fetch(`/api/v1${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      credentials: "omit",
    });
    told = (await answer.json()) as typeof told;
  } catch {
    throw new DeskbellError("unreachable", "", { temporary: true });
  }
  if (answer.ok) return told;
  throw new DeskbellError(told.error?.code ?? "unreachable", told.error?.message ?? "", { temporary: told.error?.temporary });
}
