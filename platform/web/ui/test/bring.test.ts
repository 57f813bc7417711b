/** A part whose files do not come may be asked for again, whether they were refused or nobody answered. */

import { afterEach, expect, test, vi } from "vitest";
import { bring } from "../src/bring.ts";

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

test("a request that nobody answers is given up after a while, and made again", async () => {
  const patience = new AbortController();
  const timeout = vi.spyOn(AbortSignal, "timeout").mockReturnValue(patience.signal);
  const asked: string[] = [];
  vi.stubGlobal("fetch", (url: string, { signal }: { signal: AbortSignal }) => {
    asked.push(url);
    return new Promise((_, reject) => {
      signal.addEventListener("abort", () => { reject(new Error("given up")); });
    });
  });
  const first = bring("part.js");
  const second = bring("part.js");
  expect(asked).toHaveLength(1);
  expect(timeout.mock.calls[0]?.[0]).toBeLessThanOrEqual(10_000);
  patience.abort();
  await expect(first).rejects.toThrow("given up");
  await expect(second).rejects.toThrow("given up");
  bring("part.js").catch(() => undefined);
  expect(asked).toHaveLength(2);
});
