/**
 * Texts that are neither stored nor in the outbox: refused ones, and those that wait for a check, by room. They
 * outlive the page. The browser's tabs share them: each look sees what another one put or took.
 */

import type { Keep } from "./keep.ts";
import type { Unsent } from "./timeline.ts";

const MOST = 99;

export class Aside<One extends Unsent = Unsent> {
  readonly #keep: Keep;

  constructor(keep: Keep) {
    this.#keep = keep;
  }

  of(room: string): One[] {
    try {
      const kept: unknown = JSON.parse(this.#keep.get(`aside/${room}`) ?? "[]");
      return Array.isArray(kept) ? (kept.filter(isUnsent) as One[]) : [];
    } catch {
      return []; // written by another version
    }
  }

  put(room: string, unsent: One): void {
    const all = this.of(room);
    const at = all.findIndex(({ clientId }) => clientId === unsent.clientId);
    all.splice(at < 0 ? all.length : at, 1, unsent);
    this.#write(room, all.slice(-MOST));
  }

  take(room: string | undefined, clientId: string): void {
    if (room === undefined) return;
    const before = this.of(room);
    const after = before.filter((one) => one.clientId !== clientId);
    if (after.length < before.length) this.#write(room, after);
  }

  #write(room: string, all: One[]): void {
    if (all.length > 0) this.#keep.set(`aside/${room}`, JSON.stringify(all));
    else this.#keep.remove(`aside/${room}`);
  }
}

function isUnsent(value: unknown): value is Unsent {
  const one = value as Partial<Unsent> | null;
  return typeof one?.clientId === "string" && typeof one.content === "string" && (one.state === "held" || one.state === "failed");
}
