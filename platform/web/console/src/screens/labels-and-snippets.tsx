/**
 * What agents sort and write with: snippets and saved views, one's own and shared ones; labels, for supervisors.
 * What is shared can be changed by supervisors alone, so others are not shown the buttons.
 */

import type { JSX } from "preact";
import type { Filter, Label } from "../records.ts";
import { useDesk } from "../use-desk.ts";
import { t } from "../words.ts";
import { LabelDialog, SnippetDialog, ViewDialog } from "./settings/dialogs.tsx";
import { KeptTable } from "./settings/kept.tsx";

const whose = (one: { shared: boolean }): string => (one.shared ? t("screens.shared") : t("screens.mine"));

export function Snippets(): JSX.Element {
  const desk = useDesk();
  const again = (): Promise<void> => desk.readSnippets();
  return (
    <KeptTable
      items={desk.snippets.value}
      add={t("screens.snippets.add")}
      none={t("screens.snippets.none")}
      columns={[
        { title: t("screens.snippets.shortcut"), cell: (one) => <b class="sc-code">/{one.shortcut}</b> },
        { title: t("screens.snippets.text"), cell: (one) => <span class="ls-text" dir="auto">{one.text}</span> },
        { title: t("screens.snippets.whose"), said: true, cell: whose },
      ]}
      name={(one) => one.shortcut}
      path={(one) => `/snippets/${one.id}`}
      mayChange={(one) => !one.shared || desk.isLead}
      remove={{ word: t("screens.delete"), done: t("screens.deleted"), sure: (one) => t("screens.delete_sure", { name: one.shortcut }) }}
      form={(snippet, close) => <SnippetDialog snippet={snippet} close={close} changed={again} />}
      again={again}
    />
  );
}

export function Views(): JSX.Element {
  const desk = useDesk();
  const again = (): Promise<void> => desk.readViews();
  const teams = new Map(desk.teams.value.map((team) => [team.slug, team.name]));
  return (
    <KeptTable
      items={desk.views.value}
      add={t("screens.views.add")}
      none={t("screens.views.none")}
      columns={[
        { title: t("screens.people.name"), cell: (one) => <b dir="auto">{one.name}</b> },
        { title: t("screens.views.shows"), said: true, cell: (one) => <bdi>{wordsOf(one.filter, desk.labels.value, teams)}</bdi> },
        { title: t("screens.snippets.whose"), said: true, cell: whose },
      ]}
      name={(one) => one.name}
      path={(one) => `/views/${one.id}`}
      mayChange={(one) => !one.shared || desk.isLead}
      remove={{ word: t("screens.delete"), done: t("screens.deleted"), sure: (one) => t("screens.delete_sure", { name: one.name }) }}
      form={(view, close) => <ViewDialog view={view} close={close} changed={again} />}
      again={again}
    />
  );
}

function wordsOf(filter: Filter, labels: Label[], teams: ReadonlyMap<string, string>): string {
  return [
    t(`screens.views.list_${filter.view ?? "all"}`),
    filter.label && (labels.find((label) => label.id === filter.label)?.name ?? t("screens.views.label_gone")),
    filter.team && (teams.get(filter.team) ?? filter.team),
    filter.priority && t(filter.priority === 2 ? "screens.priority.2" : "screens.views.priority_from_1"),
  ].filter(Boolean).join(" · ");
}

export function Labels(): JSX.Element {
  const desk = useDesk();
  const again = (): Promise<void> => desk.readLabels();
  return (
    <KeptTable
      items={[...desk.labels.value].sort((a, b) => Number(a.retired) - Number(b.retired))}
      add={t("screens.labels.add")}
      none={t("screens.labels.none")}
      columns={[{ title: t("screens.people.name"), cell: (one) => <LabelName label={one} /> }]}
      name={(one) => one.name}
      path={(one) => `/labels/${one.id}`}
      mayChange={() => desk.isLead}
      over={{ is: (one) => one.retired, word: t("screens.labels.offer"), label: (one) => t("screens.labels.offer_of", { name: one.name }), undo: { retired: false } }}
      remove={{ word: t("screens.labels.retire"), done: t("screens.labels.retired"), sure: (one) => t("screens.labels.retire_sure", { name: one.name }) }}
      form={(label, close) => <LabelDialog label={label} close={close} changed={again} />}
      again={again}
    />
  );
}

function LabelName({ label }: { label: Label }): JSX.Element {
  return (
    <span class="ls-name">
      <i class="ls-color" style={label.color ? { background: label.color } : {}} />
      <b dir="auto">{label.name}</b>
      {label.retired && <span class="sc-tag">{t("screens.labels.retired")}</span>}
    </span>
  );
}
