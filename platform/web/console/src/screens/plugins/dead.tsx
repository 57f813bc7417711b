/** Work of a plugin's queues that was given up after all its attempts: what it was, why it failed, and once more. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { t, texts } from "../../words.ts";
import { useRest } from "../rest.ts";
import { useLoaded } from "../parts/loaded.ts";
import { moment } from "../parts/moments.ts";
import { Problem, Shown } from "../parts/page.tsx";
import type { DeadWork } from "../shapes.ts";

export function DeadWorkOf({ plugin }: { plugin: string }): JSX.Element {
  const rest = useRest();
  const path = `/plugins/${encodeURIComponent(plugin)}`;
  const dead = useLoaded(async () => (await rest<{ items: DeadWork[] }>("GET", `${path}/dead`)).items, [plugin]);
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState<unknown>();
  const [again, setAgain] = useState<number>();

  async function replay(ids?: number[]): Promise<void> {
    setBusy(true);
    setFailed(undefined);
    try {
      const { replayed } = await rest<{ replayed: number }>("POST", `${path}/replay`, ids ? { ids } : {});
      setAgain(replayed);
      await dead.again();
    } catch (thrown) {
      setFailed(thrown);
    } finally {
      setBusy(false);
    }
  }

  return (
    <section class="pl-dead" aria-label={t("screens.plugins.dead")}>
      <h3>{t("screens.plugins.dead")}</h3>
      {again !== undefined && <p role="status" class="sc-said">{t("screens.plugins.replayed", { n: again })}</p>}
      {failed !== undefined && <Problem error={failed} />}
      <Shown of={dead} lines={2}>
        {(found) =>
          found.length === 0 ? (
            <p class="sc-faint">{t("screens.plugins.no_dead")}</p>
          ) : (
            <>
              <ul>
                {found.map((work) => (
                  <li key={work.id}>
                    <span><b dir="auto">{work.queue}</b> <span class="sc-code">{work.key}</span> <time class="sc-faint num" dateTime={work.died_at}>{moment(work.died_at, texts.language.value)}</time></span>
                    <span class="muted" dir="auto">{t("screens.plugins.gave_up", { n: work.attempts })} {work.reason}</span>
                    <details>
                      <summary>{t("screens.plugins.payload")}</summary>
                      <pre class="sc-code">{JSON.stringify(work.payload, null, 2)}</pre>
                    </details>
                    <button type="button" class="btn sm" disabled={busy} onClick={() => void replay([work.id])}>{t("screens.plugins.replay")}</button>
                  </li>
                ))}
              </ul>
              {found.length > 1 && <button type="button" class="btn sm" disabled={busy} onClick={() => void replay()}>{t("screens.plugins.replay_all")}</button>}
            </>
          )
        }
      </Shown>
    </section>
  );
}
