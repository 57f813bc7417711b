/** Sites that carry the widget, for admins: how to embed it, where it may be, what it says and looks like. */

import { chat } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { letsGo } from "../route.ts";
import { t } from "../words.ts";
import { useLoaded } from "./parts/loaded.ts";
import { Empty, For, Page, Shown } from "./parts/page.tsx";
import { type Items, useRest } from "./rest.ts";
import type { PluginEntry } from "./shapes.ts";
import type { Site } from "./sites/draft.ts";
import { Embed } from "./sites/embed.tsx";
import { SiteForm } from "./sites/form.tsx";
import "./sites/sites.css";

export function Sites(): JSX.Element {
  return (
    <For roles={["admin"]} title={t("screens.sites.title")}>
      <SitesHere />
    </For>
  );
}

function SitesHere(): JSX.Element {
  const rest = useRest();
  // The id of a site, or `new`.
  const [open, setOpen] = useState<string>();
  const [made, setMade] = useState<Site>();
  const sites = useLoaded(async () => (await rest<Items<Site>>("GET", "/admin/sites")).items, []);
  const bots = useLoaded(async () => {
    const found = (await rest<Items<PluginEntry>>("GET", "/plugins")).items;
    return found.filter((one) => one.state === "active").flatMap((one) => one.registers["bots"] ?? []);
  }, []);
  const site = sites.value?.find((one) => one.id === open);
  const known = made && made.id === site?.id ? made : undefined;

  return (
    <Page
      title={open === "new" ? t("screens.sites.add") : (site?.name ?? t("screens.sites.title"))}
      key={open ?? ""}
      actions={
        open ? (
          <button type="button" class="btn" onClick={() => { if (letsGo()) setOpen(undefined); }}>{t("screens.sites.all")}</button>
        ) : (
          <button type="button" class="btn ink" onClick={() => { setOpen("new"); }}>{t("screens.sites.add")}</button>
        )
      }
    >
      <div class="sc-body st">
        <Shown of={sites} lines={4}>
          {(all) =>
            open ? (
              <>
                {site && <Embed site={known ? { ...site, ...(known.secret ? { secret: known.secret } : {}) } : site} />}
                <SiteForm
                  key={open}
                  site={site}
                  bots={bots.value ?? []}
                  saved={(fresh) => {
                    sites.put((was) => (was.some((one) => one.id === fresh.id) ? was.map((one) => (one.id === fresh.id ? { ...one, ...fresh } : one)) : [...was, fresh]));
                    if (open === "new") {
                      setMade(fresh);
                      setOpen(fresh.id);
                    }
                  }}
                />
              </>
            ) : all.length === 0 ? (
              <Empty title={t("screens.sites.none")}>{t("screens.sites.none_why")}</Empty>
            ) : (
              <ul class="st-list">
                {all.map((one) => (
                  <li key={one.id}>
                    <button type="button" class="st-one" onClick={() => { setOpen(one.id); }}>
                      <Icon of={chat} size={20} />
                      <span>
                        <b dir="auto">{one.name}</b>
                        <small class="faint" dir="ltr">{one.origins.join(", ") || t("screens.sites.nowhere")}</small>
                      </span>
                      <span class="sc-code">{one.public_key}</span>
                    </button>
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
