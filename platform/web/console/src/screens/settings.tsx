/** Settings: one's own first; beside them what all agents share, for those who may change it. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { useDesk } from "../use-desk.ts";
import { t } from "../words.ts";
import { Labels, Snippets, Views } from "./labels-and-snippets.tsx";
import { Page } from "./parts/page.tsx";
import { Tabs } from "./parts/tabs.tsx";
import { Keys } from "./settings/keys.tsx";
import { Own } from "./settings/own.tsx";
import "./settings/settings.css";

type Tab = "own" | "keys" | "snippets" | "views" | "labels";

export function Settings(): JSX.Element {
  const desk = useDesk();
  const [tab, show] = useState<Tab>("own");
  const tabs: [Tab, string][] = [
    ["own", t("screens.settings.own")],
    ["keys", t("screens.settings.keys")],
    ["snippets", t("screens.snippets.title")],
    ["views", t("screens.views.title")],
  ];
  if (desk.isLead) tabs.push(["labels", t("screens.labels.title")]);
  return (
    <Page title={t("screens.settings.title")}>
      <Tabs label={t("screens.settings.title")} tabs={tabs} chosen={tab} choose={show}>
        <div class="sc-body">
          {tab === "own" && <Own />}
          {tab === "keys" && <Keys />}
          {tab === "snippets" && <Snippets />}
          {tab === "views" && <Views />}
          {tab === "labels" && <Labels />}
        </div>
      </Tabs>
    </Page>
  );
}
