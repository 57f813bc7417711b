import { expect, test, vi } from "vitest";
import { ownSurroundings, wakeable } from "../src/index.ts";

test("who waits to try again is woken by hand, as by the network", () => {
  const around = wakeable(ownSurroundings());
  const woken = vi.fn();
  around.onWake(woken);
  around.wake();
  expect(woken).toHaveBeenCalledTimes(1);
});
