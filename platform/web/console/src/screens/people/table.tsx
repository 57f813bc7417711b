/** The people of the tenant as a table; on a phone each row is a card. */

import type { JSX } from "preact";
import type { Team } from "../../records.ts";
import { t } from "../../words.ts";
import { Face } from "../parts/face.tsx";
import type { PersonEntry } from "../shapes.ts";

export function PeopleTable({ people, teams, edit }: { people: PersonEntry[]; teams: Team[]; edit: (person: PersonEntry) => void }): JSX.Element {
  const named = new Map(teams.map((team) => [team.slug, team.name]));
  return (
    <table class="sc-table">
      <thead>
        <tr>
          <th scope="col">{t("screens.people.name")}</th>
          <th scope="col">{t("screens.people.role")}</th>
          <th scope="col">{t("screens.teams.tab")}</th>
          <th scope="col">{t("screens.people.status")}</th>
          <th scope="col"><span class="unseen">{t("screens.actions")}</span></th>
        </tr>
      </thead>
      <tbody>
        {people.map((one) => (
          <tr key={one.user.id} class={one.disabled ? "sc-off" : ""}>
            <td>
              <span class="sc-person">
                <Face of={one.user} size="m" />
                <span>
                  <b dir="auto">{one.user.name}</b>
                  <small>{one.email}</small>
                </span>
              </span>
            </td>
            <td class="sc-word" data-of={t("screens.people.role")}>{one.role ? t(`screens.role.${one.role}`) : t("screens.role.none")}</td>
            <td data-of={t("screens.teams.tab")} dir="auto">{one.teams.map((slug) => named.get(slug) ?? slug).join(", ") || "–"}</td>
            <td class="sc-word" data-of={t("screens.people.status")}>{one.disabled ? <span class="sc-tag">{t("screens.people.disabled")}</span> : one.status ? t(`screens.status.${one.status}`) : ""}</td>
            <td>
              <span class="sc-acts">
                <button type="button" class="btn sm" aria-label={t("screens.people.edit_of", { name: one.user.name })} onClick={() => { edit(one); }}>
                  {t("screens.edit")}
                </button>
              </span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
