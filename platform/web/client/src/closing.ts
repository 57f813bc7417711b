/** Why a socket was closed, and what to do then: below 4500 come back, from there on it is final. */

import { ConnectionOver } from "./errors.ts";

export const NO_CODE = 1006;
export const TOKEN_EXPIRED = 4004;
export const RATE = 4013;

const SENTENCES: Record<number, string> = {
  4500: "The server does not accept this login. Log in again.",
  4501: "The server does not understand this client. One of the two needs an update.",
  4502: "The login did not reach the server in time.",
  4503: "This login is no longer accepted here.",
  4504: "There are too many open connections for this user. Close another one first.",
  4509: "The server closed the connection after too many errors.",
};

export function mayReconnect(code: number): boolean {
  return code < 4500;
}

export function finalError(code: number, reason = ""): ConnectionOver {
  const sentence = SENTENCES[code] ?? "The server closed the connection for good.";
  return new ConnectionOver(code, reason && !sentence.includes(reason) ? `${sentence} (${reason})` : sentence);
}
