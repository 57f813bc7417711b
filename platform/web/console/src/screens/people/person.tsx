/** One person: name, address, role, teams, password. What was not touched is not sent. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Role, Team } from "../../records.ts";
import { say } from "../../sayings.ts";
import { useDesk } from "../../use-desk.ts";
import { t } from "../../words.ts";
import { Dialog } from "../parts/dialog.tsx";
import { Check, Choice, FormEnd, TextField, useForm } from "../parts/form.tsx";
import { Problem } from "../parts/page.tsx";
import { useRest } from "../rest.ts";
import type { PersonEntry } from "../shapes.ts";

interface PersonProps {
  /** None: somebody new. */
  person?: PersonEntry | undefined;
  teams: Team[];
  close: () => void;
  changed: () => void;
}

/** Characters a password has at least. */
const LEAST = 12;
const ROLES: Role[] = ["agent", "supervisor", "admin"];

export function PersonDialog({ person, teams, close, changed }: PersonProps): JSX.Element {
  const rest = useRest();
  const { me } = useDesk();
  const [failed, setFailed] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const form = useForm<{ name: string; email: string; role: string; teams: string[]; password: string }>({
    initial: { name: person?.user.name ?? "", email: person?.email ?? "", role: person?.role ?? "agent", teams: person?.teams ?? [], password: "" },
    fields: ["name", "email", "role", "teams", "password"],
    check: ({ name, email, password }) => ({
      ...(name.trim() ? {} : { name: t("screens.form.needed") }),
      ...(person || /^[^@\s]+@[^@\s]+\.[^@\s]+$|^[^@\s]+@localhost$/.test(email.trim()) ? {} : { email: t("screens.form.address") }),
      ...((person && !password) || password.length >= LEAST ? {} : { password: t("screens.people.password_short", { n: LEAST }) }),
    }),
    send: async ({ name, email, role, teams: of, password }) => {
      if (!person) {
        await rest("POST", "/people", { name: name.trim(), email: email.trim(), role, teams: of, password });
        return;
      }
      const change: Record<string, unknown> = {};
      if (name.trim() !== person.user.name) change["name"] = name.trim();
      if (role !== person.role) change["role"] = role;
      if (JSON.stringify([...of].sort()) !== JSON.stringify([...person.teams].sort())) change["teams"] = of;
      if (password) change["password"] = password;
      if (Object.keys(change).length) await rest("PATCH", `/people/${person.user.id}`, change);
    },
    done: () => {
      say(person ? t("screens.saved") : t("screens.people.added", { name: form.values.name.trim() }));
      changed();
      close();
    },
  });

  async function disable(person: PersonEntry): Promise<void> {
    if (!person.disabled && !confirm(t("screens.people.disable_sure", { name: person.user.name }))) return;
    setBusy(true);
    setFailed(undefined);
    try {
      await rest("PATCH", `/people/${person.user.id}`, { disabled: !person.disabled });
      changed();
      close();
    } catch (thrown) {
      setFailed(thrown);
      setBusy(false);
    }
  }

  const { values, set, wrong } = form;
  const toggle = (slug: string) => (on: boolean): void => {
    set("teams", on ? [...values.teams, slug] : values.teams.filter((one) => one !== slug));
  };
  return (
    <Dialog title={person ? person.user.name : t("screens.people.add")} close={close} unsaved={form.dirty && !form.busy}>
      <form class="sc-form" onSubmit={(event) => void form.submit(event)} noValidate>
        <TextField label={t("screens.people.name")} value={values.name} set={(value) => { set("name", value); }} wrong={wrong("name")} maxLength={120} autocomplete="off" required />
        {person ? (
          <p class="muted">{person.email}</p>
        ) : (
          <TextField label={t("screens.people.email")} type="email" dir="ltr" value={values.email} set={(value) => { set("email", value); }} wrong={wrong("email")} autocomplete="off" required />
        )}
        <Choice label={t("screens.people.role")} value={values.role} set={(value) => { set("role", value); }} wrong={wrong("role")} options={ROLES.map((role) => [role, t(`screens.role.${role}`)] as const)} hint={t(`screens.role.${(ROLES.find((role) => role === values.role) ?? "agent")}.may`)} />
        {teams.length > 0 && (
          <fieldset class="sc-set">
            <legend>{t("screens.teams.tab")}</legend>
            {teams.map((team) => (
              <Check key={team.slug} label={team.name} value={values.teams.includes(team.slug)} set={toggle(team.slug)} />
            ))}
            {wrong("teams") && <small class="sc-wrong" role="alert">{wrong("teams")}</small>}
          </fieldset>
        )}
        <TextField label={person ? t("screens.people.new_password") : t("screens.people.password")} type="password" dir="ltr" value={values.password} set={(value) => { set("password", value); }} wrong={wrong("password")} autocomplete="new-password" hint={person ? t("screens.people.password_hint") : t("screens.people.first_password", { n: LEAST })} />
        {failed !== undefined && <Problem error={failed} />}
        <FormEnd form={form} save={person ? t("screens.save") : t("screens.people.add")} cancel={close}>
          {person && person.user.id !== me.value.user.id && (
            <button type="button" class={person.disabled ? "btn" : "btn bad"} disabled={busy} onClick={() => void disable(person)}>
              {person.disabled ? t("screens.people.enable") : t("screens.people.disable")}
            </button>
          )}
        </FormEnd>
      </form>
    </Dialog>
  );
}
