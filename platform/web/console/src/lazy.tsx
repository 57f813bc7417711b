/** Screens that are fetched when they are first shown, and what stands in their place until then. */

import type { FunctionComponent, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { again, atOnce, lazy as part } from "@deskbell/ui/lazy.tsx";
import { t } from "./words.ts";

const RELOADED = "deskbell/console/reloaded";
const QUIET_MS = 200;

/**
 * Load the page afresh, since the server has another build by now; at most once in a minute, so that a broken build is
 * no loop.
 */
export function reloadOnce(): void {
  const last = Number(sessionStorage.getItem(RELOADED) ?? 0);
  if (Date.now() - last < 60_000) return;
  sessionStorage.setItem(RELOADED, String(Date.now()));
  location.reload();
}

export function lazy<Props extends object>(load: () => Promise<FunctionComponent<Props>>): FunctionComponent<Props> {
  return part(load, atOnce, Meanwhile);
}

function Meanwhile({ failed }: { failed: boolean }): JSX.Element | null {
  const [quiet, setQuiet] = useState(true);
  useEffect(() => {
    const timer = setTimeout(() => {
      setQuiet(false);
    }, QUIET_MS);
    return () => {
      clearTimeout(timer);
    };
  }, []);
  if (failed) {
    return (
      <p class="trouble" role="alert">
        {t("app.chunk")} <button type="button" class="btn" onClick={again}>{t("app.again")}</button>
      </p>
    );
  }
  return quiet ? null : <div class="loading" role="status" aria-label={t("app.loading")} />;
}
