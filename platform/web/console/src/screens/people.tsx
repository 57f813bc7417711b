/** People who answer, and their teams, for admins: listed, added, changed, disabled. */

import { search as glass } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { fieldDir } from "@deskbell/ui/texts.ts";
import type { Team } from "../records.ts";
import { useDesk } from "../use-desk.ts";
import { t } from "../words.ts";
import { useLoaded } from "./parts/loaded.ts";
import { Empty, For, Page, Shown } from "./parts/page.tsx";
import { Tabs, useTab } from "./parts/tabs.tsx";
import { PersonDialog } from "./people/person.tsx";
import { PeopleTable } from "./people/table.tsx";
import { TeamDialog, TeamsTable } from "./people/teams.tsx";
import { type Items, useRest } from "./rest.ts";
import type { PersonEntry } from "./shapes.ts";

export function People(): JSX.Element {
  return (
    <For roles={["admin"]} title={t("screens.people.title")}>
      <PeopleHere />
    </For>
  );
}

function PeopleHere(): JSX.Element {
  const rest = useRest();
  const desk = useDesk();
  const [tab, show] = useTab(["people", "teams"]);
  const [sought, seek] = useState("");
  const [person, openPerson] = useState<PersonEntry | "new">();
  const [team, openTeam] = useState<Team | "new">();
  const people = useLoaded(async () => {
    const all: PersonEntry[] = [];
    let cursor: string | null | undefined;
    do {
      const page = await rest<Items<PersonEntry>>("GET", `/people?limit=100${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
      all.push(...page.items);
      cursor = page.next_cursor;
    } while (cursor && all.length < 5000);
    return all;
  }, []);
  const teams = useLoaded(async () => (await rest<Items<Team>>("GET", "/teams")).items, []);
  const changed = (): void => {
    void people.again();
    void teams.again();
    void desk.read();
  };
  const words = sought.trim().toLocaleLowerCase();
  const fits = (one: PersonEntry): boolean => `${one.user.name} ${one.email ?? ""} ${one.role}`.toLocaleLowerCase().includes(words);

  return (
    <Page
      title={t("screens.people.title")}
      actions={
        <button type="button" class="btn ink" onClick={() => { if (tab === "people") openPerson("new"); else openTeam("new"); }}>
          {tab === "people" ? t("screens.people.add") : t("screens.teams.add")}
        </button>
      }
    >
      <Tabs
        label={t("screens.people.title")}
        tabs={[
          ["people", t("screens.people.tab"), people.value && String(people.value.length)],
          ["teams", t("screens.teams.tab"), teams.value && String(teams.value.length)],
        ]}
        chosen={tab}
        choose={show}
      >
        <div class="sc-body">
          {tab === "people" ? (
            <>
              <span class="sc-find">
                <Icon of={glass} size={16} />
                <input class="field" type="search" dir={fieldDir(sought)} aria-label={t("screens.people.find")} placeholder={t("screens.people.find")} value={sought} onInput={(event) => { seek(event.currentTarget.value); }} />
              </span>
              <Shown of={people} lines={8}>
                {(all) => {
                  const found = all.filter(fits);
                  return found.length === 0 ? (
                    <Empty>{words ? t("screens.search.nothing", { words: sought }) : t("screens.people.none")}</Empty>
                  ) : (
                    <PeopleTable people={found} teams={teams.value ?? []} edit={openPerson} />
                  );
                }}
              </Shown>
            </>
          ) : (
            <Shown of={teams} lines={3}>
              {(all) => (all.length === 0 ? <Empty>{t("screens.teams.none")}</Empty> : <TeamsTable teams={all} edit={openTeam} changed={changed} />)}
            </Shown>
          )}
        </div>
      </Tabs>
      {person && <PersonDialog person={person === "new" ? undefined : person} teams={teams.value ?? []} close={() => { openPerson(undefined); }} changed={changed} />}
      {team && <TeamDialog team={team === "new" ? undefined : team} close={() => { openTeam(undefined); }} changed={changed} />}
    </Page>
  );
}
