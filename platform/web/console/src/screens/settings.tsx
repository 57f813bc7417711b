/** Settings: one's own first; beside them what all agents share, for those who may change it. */

import type { JSX } from "preact";
import { useDesk } from "../use-desk.ts";
import { t } from "../words.ts";
import { Labels, Snippets, Views } from "./labels-and-snippets.tsx";
import { Page } from "./parts/page.tsx";
import { Tabs, useTab } from "./parts/tabs.tsx";
import { Keys } from "./settings/keys.tsx";
import { Own } from "./settings/own.tsx";
import "./settings/settings.css";

const ALL = ["own", "keys", "snippets", "views"] as const;
const LEADS = [...ALL, "labels"] as const;

export function Settings(): JSX.Element {
  const desk = useDesk();
  const keys = desk.isLead ? LEADS : ALL;
  const [tab, show] = useTab<(typeof LEADS)[number]>(keys);
  const words = {
    own: t("screens.settings.own"),
    keys: t("screens.settings.keys"),
    snippets: t("screens.snippets.title"),
    views: t("screens.views.title"),
    labels: t("screens.labels.title"),
  };
  const tabs = keys.map((key) => [key, words[key]] as const);
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
