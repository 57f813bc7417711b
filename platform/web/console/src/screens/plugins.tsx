/** Plugins, for admins: what each one offers, how it behaves on this instance, switching it, and work that it gave up. */

import { asError, type DeskbellError } from "@deskbell/client";
import { down, right } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { t, texts } from "../words.ts";
import { useRest } from "./rest.ts";
import { useLoaded, useWhileSeen } from "./parts/loaded.ts";
import { took } from "./parts/moments.ts";
import { Empty, For, Page, Problem, Shown } from "./parts/page.tsx";
import { DeadWorkOf } from "./plugins/dead.tsx";
import type { PluginEntry } from "./shapes.ts";
import "./plugins.css";

const ASK_AGAIN_MS = 5000;

export function Plugins(): JSX.Element {
  return (
    <For roles={["admin"]} title={t("screens.plugins.title")}>
      <PluginsHere />
    </For>
  );
}

function PluginsHere(): JSX.Element {
  const rest = useRest();
  const plugins = useLoaded(async () => (await rest<{ items: PluginEntry[] }>("GET", "/plugins")).items, []);
  useWhileSeen(plugins.again, ASK_AGAIN_MS);
  return (
    <Page title={t("screens.plugins.title")} lead={plugins.value && t("screens.plugins.active", { n: plugins.value.filter((one) => one.state === "active").length })}>
      <div class="sc-body">
        <Shown of={plugins} lines={8}>
          {(found) =>
            found.length === 0 ? (
              <Empty>{t("screens.plugins.none")}</Empty>
            ) : (
              <ul class="pl">
                {found.map((plugin) => (
                  <li key={plugin.name}>
                    <One plugin={plugin} changed={(fresh) => { plugins.put((all) => all.map((one) => (one.name === fresh.name ? fresh : one))); }} />
                  </li>
                ))}
              </ul>
            )
          }
        </Shown>
      </div>
    </Page>
  );
}

function One({ plugin, changed }: { plugin: PluginEntry; changed: (fresh: PluginEntry) => void }): JSX.Element {
  const rest = useRest();
  const [open, setOpen] = useState(false);
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState<DeskbellError>();
  const resting = Object.entries(plugin.breakers).filter(([, state]) => state !== "closed");
  const id = `plugin-${plugin.name}`;

  async function switchTo(on: boolean): Promise<void> {
    setBusy(true);
    setRefused(undefined);
    try {
      changed(await rest<PluginEntry>("POST", `/plugins/${encodeURIComponent(plugin.name)}/${on ? "enable" : "disable"}`, {}));
    } catch (thrown) {
      setRefused(asError(thrown));
    } finally {
      setBusy(false);
    }
  }

  return (
    <article class="pl-one" aria-labelledby={`${id}-name`}>
      <div class="pl-head">
        <button type="button" class="ib" aria-expanded={open} aria-controls={`${id}-more`} aria-labelledby={`${id}-name`} onClick={() => { setOpen(!open); }}>
          <Icon of={open ? down : right} size={16} mirrors={!open} />
        </button>
        <div class="pl-name">
          <h2 id={`${id}-name`} dir="auto">{plugin.name} <small class="num" dir="ltr">{plugin.version}</small></h2>
          <p class="muted" dir="auto">{Object.entries(plugin.registers).map(([kind, names]) => `${offer(kind)}: ${names.join(", ")}`).join(" · ") || (plugin.state === "active" ? t("screens.plugins.offers_nothing") : "")}</p>
        </div>
        <span class="pl-tags">
          {plugin.faults > 0 && <span class="sc-tag bad">{t("screens.plugins.faults", { n: plugin.faults })}</span>}
          {resting.length > 0 && <span class="sc-tag mid">{t("screens.plugins.resting")}</span>}
          {plugin.blocked > 0 && <span class="sc-tag bad">{t("screens.plugins.blocked", { n: plugin.blocked })}</span>}
          <span class={`sc-tag ${plugin.state === "active" ? "good" : plugin.state === "refused" ? "bad" : ""}`}>{t(`screens.plugins.state_${plugin.state}`)}</span>
        </span>
        {plugin.state !== "refused" && (
          <button type="button" class="btn sm" disabled={busy} onClick={() => void switchTo(plugin.state !== "active")}>
            {plugin.state === "active" ? t("screens.plugins.disable") : t("screens.plugins.enable")}
          </button>
        )}
      </div>
      {plugin.reason && <p class={plugin.state === "refused" ? "sc-problem" : "muted pl-in"} dir="auto">{plugin.reason}</p>}
      {refused && <Problem error={refused} />}
      {open && (
        <div id={`${id}-more`} class="pl-in pl-more">
          {plugin.last_fault && <Fact name={t("screens.plugins.last_fault")}><span class="sc-code">{plugin.last_fault}</span></Fact>}
          {plugin.last_block && <Fact name={t("screens.plugins.last_block")}><span class="sc-code">{plugin.last_block}</span></Fact>}
          {plugin.passed_over > 0 && <Fact name={t("screens.plugins.passed_over")}>{t("screens.plugins.calls", { n: plugin.passed_over })}</Fact>}
          {resting.map(([what, state]) => (
            <Fact key={what} name={t("screens.plugins.breaker")}><span class="sc-code">{what}</span> {state === "open" ? t("screens.plugins.breaker_open") : t("screens.plugins.breaker_trying")}</Fact>
          ))}
          <Fact name={t("screens.plugins.hooks")}><span class="sc-code">{plugin.hooks.join(", ") || "–"}</span></Fact>
          <Fact name={t("screens.plugins.source")}><span class="sc-code">{plugin.source}</span> · API {plugin.requires_api || "–"} · {t("screens.plugins.order")} {plugin.order}</Fact>
          <Fact name={t("screens.plugins.work")}>{t("screens.plugins.tasks", { n: plugin.tasks })} · {t("screens.plugins.threads", { n: plugin.threads })}</Fact>
          <Times plugin={plugin} />
          {(plugin.registers["queues"]?.length ?? 0) > 0 && <DeadWorkOf plugin={plugin.name} />}
        </div>
      )}
    </article>
  );
}

function Fact({ name, children }: { name: string; children: JSX.Element | (JSX.Element | string | number)[] | string }): JSX.Element {
  return (
    <p class="pl-fact">
      <span>{name}</span>
      <span dir="auto">{children}</span>
    </p>
  );
}

function offer(kind: string): string {
  const key = `screens.offer.${kind}`;
  return key in OFFERS ? t(key as keyof typeof OFFERS) : kind.replaceAll("_", " ");
}
const OFFERS = {
  "screens.offer.bots": 0,
  "screens.offer.channel_types": 0,
  "screens.offer.moderation_filters": 0,
  "screens.offer.queues": 0,
  "screens.offer.message_kinds": 0,
  "screens.offer.jobs": 0,
  "screens.offer.escalation_rules": 0,
} as const;

/** How long its calls took: half of them, and nineteen of twenty, on one scale. */
function Times({ plugin }: { plugin: PluginEntry }): JSX.Element | null {
  const rows = Object.entries(plugin.times).filter(([, time]) => time.count > 0).sort((a, b) => b[1].p95_ms - a[1].p95_ms);
  if (rows.length === 0) return null;
  const longest = Math.max(...rows.map(([, time]) => time.p95_ms), 0.001);
  const language = texts.language.value;
  return (
    <table class="pl-times">
      <caption>{t("screens.plugins.times")}</caption>
      <thead>
        <tr>
          <th scope="col">{t("screens.plugins.call")}</th>
          <th scope="col">{t("screens.plugins.half")}</th>
          <th scope="col">{t("screens.plugins.most")}</th>
          <th scope="col"><span class="unseen">{t("screens.plugins.bar")}</span></th>
          <th scope="col">{t("screens.plugins.count")}</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(([what, time]) => (
          <tr key={what}>
            <td class="sc-code">{what}</td>
            <td class="num">{took(time.p50_ms, language)}</td>
            <td class="num">{took(time.p95_ms, language)}</td>
            <td aria-hidden="true">
              <span class="pl-bar"><i style={{ width: `${(time.p95_ms / longest) * 100}%` }} /><u style={{ width: `${(time.p50_ms / longest) * 100}%` }} /></span>
            </td>
            <td class="num sc-faint">{new Intl.NumberFormat(language).format(time.count)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
