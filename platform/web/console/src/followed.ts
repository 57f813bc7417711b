/** Rooms that are followed by more than one part of the page, such as a tab and the thread: each as long as one of them wants it. */

import type { Client, RoomView } from "@deskbell/client";

class Followed {
  readonly #client: Client;
  readonly #wanted = new Map<string, number>();

  constructor(client: Client) {
    this.#client = client;
  }

  /** Follow a room; let go of it once for each time it was asked for, also where this was refused. */
  follow(room: string): Promise<RoomView> {
    this.#wanted.set(room, (this.#wanted.get(room) ?? 0) + 1);
    return this.#client.subscribe(room);
  }

  letGo(room: string): void {
    const left = (this.#wanted.get(room) ?? 0) - 1;
    if (left > 0) {
      this.#wanted.set(room, left);
    } else if (this.#wanted.delete(room)) {
      this.#client.unsubscribe(room).catch(() => undefined);
    }
  }
}

const ofClients = new WeakMap<Client, Followed>();

/** Those of a login. */
export function followedOf(client: Client): Followed {
  let found = ofClients.get(client);
  if (!found) ofClients.set(client, (found = new Followed(client)));
  return found;
}
