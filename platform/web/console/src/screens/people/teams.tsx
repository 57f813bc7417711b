/** Teams: each with a slug that never changes, a name, and how many are in it. One that is in use is not deleted. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Team } from "../../records.ts";
import { say } from "../../sayings.ts";
import { t } from "../../words.ts";
import { Dialog } from "../parts/dialog.tsx";
import { FormEnd, TextField, useForm } from "../parts/form.tsx";
import { Problem } from "../parts/page.tsx";
import { useRest } from "../rest.ts";

interface TableProps {
  teams: Team[];
  edit: (team: Team) => void;
  changed: () => void;
}

export function TeamsTable({ teams, edit, changed }: TableProps): JSX.Element {
  const rest = useRest();
  const [failed, setFailed] = useState<{ slug: string; error: unknown }>();
  const [busy, setBusy] = useState(false);

  async function remove(team: Team): Promise<void> {
    if (!confirm(t("screens.teams.delete_sure", { name: team.name }))) return;
    setBusy(true);
    setFailed(undefined);
    try {
      await rest("DELETE", `/teams/${encodeURIComponent(team.slug)}`);
      say(t("screens.teams.deleted", { name: team.name }));
      changed();
    } catch (thrown) {
      setFailed({ slug: team.slug, error: thrown });
    } finally {
      setBusy(false);
    }
  }

  return (
    <>
      {failed && <Problem error={failed.error} />}
      <table class="sc-table">
        <thead>
          <tr>
            <th scope="col">{t("screens.people.name")}</th>
            <th scope="col">{t("screens.teams.slug")}</th>
            <th scope="col">{t("screens.teams.members")}</th>
            <th scope="col"><span class="unseen">{t("screens.actions")}</span></th>
          </tr>
        </thead>
        <tbody>
          {teams.map((team) => (
            <tr key={team.slug}>
              <td><b dir="auto">{team.name}</b></td>
              <td data-of={t("screens.teams.slug")}><span class="sc-code">{team.slug}</span></td>
              <td data-of={t("screens.teams.members")} class="num">{team.members}</td>
              <td>
                <span class="sc-acts">
                  <button type="button" class="btn sm" aria-label={t("screens.people.edit_of", { name: team.name })} onClick={() => { edit(team); }}>{t("screens.edit")}</button>
                  <button type="button" class="btn sm bad" disabled={busy} aria-label={t("screens.delete_of", { name: team.name })} onClick={() => void remove(team)}>{t("screens.delete")}</button>
                </span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

/** A slug made of a name, as far as its letters are Latin. */
export function slugOf(name: string): string {
  return name.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 63);
}

export function TeamDialog({ team, close, changed }: { team?: Team | undefined; close: () => void; changed: () => void }): JSX.Element {
  const rest = useRest();
  const [ownSlug, setOwnSlug] = useState(false);
  const form = useForm({
    initial: { name: team?.name ?? "", slug: team?.slug ?? "" },
    fields: ["name", "slug"],
    check: ({ name, slug }) => ({
      ...(name.trim() ? {} : { name: t("screens.form.needed") }),
      ...(/^[a-z0-9][a-z0-9_-]*$/.test(slug) ? {} : { slug: t("screens.teams.slug_form") }),
    }),
    send: ({ name, slug }) => (team ? rest("PATCH", `/teams/${encodeURIComponent(team.slug)}`, { name: name.trim() }) : rest("POST", "/teams", { slug, name: name.trim() })),
    done: () => {
      say(t("screens.saved"));
      changed();
      close();
    },
  });
  const { values, set, wrong } = form;
  return (
    <Dialog title={team ? team.name : t("screens.teams.add")} close={close} unsaved={form.dirty && !form.busy}>
      <form class="sc-form" onSubmit={(event) => void form.submit(event)} noValidate>
        <TextField label={t("screens.people.name")} value={values.name} set={(name) => { set("name", name); if (!team && !ownSlug) set("slug", slugOf(name)); }} wrong={wrong("name")} maxLength={100} required />
        {!team && <TextField label={t("screens.teams.slug")} dir="ltr" value={values.slug} set={(slug) => { setOwnSlug(true); set("slug", slug); }} wrong={wrong("slug")} hint={t("screens.teams.slug_hint")} maxLength={63} required />}
        <FormEnd form={form} save={team ? t("screens.save") : t("screens.teams.add")} cancel={close} />
      </form>
    </Dialog>
  );
}
