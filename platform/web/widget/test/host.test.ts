import { expect, test, vi } from "vitest";
import { type Call, Host } from "../src/host.ts";

function host(): { host: Host; calls: Call[] } {
  const calls: Call[] = [];
  return { host: new Host((call) => calls.push(call)), calls };
}

test("calls are passed on in order, from functions and from the array alike", () => {
  const { host: { api }, calls } = host();
  api.push(["setLocale", "ar"], ["open"]);
  api.identify("a.b.c");
  api.logout();
  expect(calls).toEqual([["setLocale", "ar"], ["open"], ["identify", "a.b.c"], ["reset"]]);
});

test("what is no call of ours is left alone", () => {
  const { host: { api }, calls } = host();
  api.push(["constructor"], ["__proto__"], ["push", ["open"]], "open", null, {}, [], [7]);
  expect(calls).toEqual([]);
});

test("a listener hears until it is called off, and ready also late", () => {
  const { host: one } = host();
  const { api } = one;
  const heard: unknown[] = [];
  const stop = api.on("unread", (event) => heard.push(event.count));
  one.emit("unread", { count: 1 });
  stop();
  one.emit("unread", { count: 2 });
  one.emit("ready", undefined);
  api.on("ready", () => heard.push("ready"));
  expect(heard).toEqual([1, "ready"]);
});

test("a listener that fails does not keep others from hearing", () => {
  const { host: one } = host();
  const reported = vi.fn();
  vi.stubGlobal("reportError", reported);
  const heard = vi.fn();
  one.api.on("open", () => {
    throw new Error("the page's fault");
  });
  one.api.on("open", heard);
  one.emit("open", undefined);
  vi.unstubAllGlobals();
  expect(heard).toHaveBeenCalledOnce();
  expect(reported).toHaveBeenCalledOnce();
});
