/**
 * What a client takes from where it runs: sockets, requests, time and chance. A browser and Node have all of it;
 * tests put their own in place.
 */

/** The part of a WebSocket that is used. */
export interface Socket {
  readonly readyState: number;
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  onerror: ((event: Event) => void) | null;
  send(text: string): void;
  close(code?: number): void;
}

export interface Surroundings {
  /** Milliseconds that only go up, whatever is done to the clock on the wall. */
  readonly now: () => number;
  /** From 0 to 1. */
  random(): number;
  /** Call `work` once; what comes back calls it off. */
  after(ms: number, work: () => void): () => void;
  open(url: string): Socket;
  fetch(url: string, init: RequestInit): Promise<Response>;
  /** Call `work` whenever the network may be back, or somebody looks at the page again. */
  onWake(work: () => void): () => void;
}

/** The same, and `wake`: try now, because somebody says so. */
export function wakeable(around: Surroundings): Surroundings & { wake(): void } {
  const works: (() => void)[] = []; // of one client: as many as it has connections in its life
  return {
    ...around,
    onWake(work) {
      works.push(work);
      return around.onWake(work);
    },
    wake() {
      for (const work of works) work();
    },
  };
}

export function ownSurroundings(): Surroundings {
  return {
    now: () => performance.now(),
    random: () => Math.random(),
    after(ms, work) {
      const timer = setTimeout(work, ms);
      return () => {
        clearTimeout(timer);
      };
    },
    open: (url) => new WebSocket(url),
    fetch: (url, init) => fetch(url, init),
    onWake(work) {
      if (typeof document === "undefined") return () => undefined;
      const looked = (): void => {
        if (document.visibilityState === "visible") work();
      };
      window.addEventListener("online", work);
      document.addEventListener("visibilitychange", looked);
      return () => {
        window.removeEventListener("online", work);
        document.removeEventListener("visibilitychange", looked);
      };
    },
  };
}
