/**
 * Screens that are fetched when they are first shown. A page that is older than the server may ask for a file that is
 * gone: it is then loaded afresh, once.
 */

import type { ComponentType, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { t } from "./words.ts";

const RELOADED = "deskbell/console/reloaded";
const QUIET_MS = 200;

/** Load the page afresh; at most once in a minute, so that a broken build is no loop. False: it was done just now. */
export function reloadOnce(): boolean {
  const last = Number(sessionStorage.getItem(RELOADED) ?? 0);
  if (Date.now() - last < 60_000) return false;
  sessionStorage.setItem(RELOADED, String(Date.now()));
  location.reload();
  return true;
}

export function lazy<Props extends object>(load: () => Promise<ComponentType<Props>>): (props: Props) => JSX.Element | null {
  let found: ComponentType<Props> | undefined;
  return function Lazy(props: Props) {
    const [, drawn] = useState(0);
    const [state, setState] = useState<"quiet" | "loading" | "failed">("quiet");
    useEffect(() => {
      if (found) return;
      const timer = setTimeout(() => {
        setState("loading");
      }, QUIET_MS);
      load().then(
        (component) => {
          found = component;
          clearTimeout(timer);
          drawn(1);
        },
        () => {
          clearTimeout(timer);
          if (!reloadOnce()) setState("failed");
        },
      );
      return () => {
        clearTimeout(timer);
      };
    }, []);
    const Found = found;
    if (Found) return <Found {...props} />;
    if (state === "failed") return <p class="trouble">{t("app.chunk")}</p>;
    return state === "loading" ? <div class="loading" role="status" aria-label={t("app.loading")} /> : null;
  };
}
