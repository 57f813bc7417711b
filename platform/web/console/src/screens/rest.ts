/** How a screen speaks with the server: as whoever is logged in, believing what the protocol page says of the answers. */

import { useDesk } from "../use-desk.ts";

export type Ask = <T>(method: string, path: string, body?: unknown) => Promise<T>;

/** A part of a list, and where it goes on. */
export interface Items<T> {
  items: T[];
  next_cursor?: string | null;
}

export function useRest(): Ask {
  const desk = useDesk();
  return async <T,>(method: string, path: string, body?: unknown) => (await desk.rest(method, path, body)) as T;
}
