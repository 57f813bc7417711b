/** The form of a site: where it may be, who answers, what it says, what it asks, when people are there. */

import type { JSX } from "preact";
import { say } from "../../sayings.ts";
import { LANGUAGES, t } from "../../words.ts";
import { Check, Choice, FormEnd, TextField, useForm } from "../parts/form.tsx";
import { useRest } from "../rest.ts";
import { Colors, SitePreview, wrongColors } from "./colors.tsx";
import { DAYS, draftOf, inOrder, originOf, settingsOf, type Site, type SiteDraft } from "./draft.ts";
import { Hours } from "./hours.tsx";
import { Origins } from "./origins.tsx";
import { Questions, wrongQuestion } from "./questions.tsx";

interface SiteFormProps {
  site?: Site | undefined;
  bots: string[];
  saved: (site: Site) => void;
}

export function SiteForm({ site, bots, saved }: SiteFormProps): JSX.Element {
  const rest = useRest();
  const form = useForm<SiteDraft>({
    initial: draftOf(site, Intl.DateTimeFormat().resolvedOptions().timeZone),
    fields: ["name", "origins", "bot", "settings.theme", "settings.launcher", "settings.greeting", "settings.languages", "settings.prechat", "settings.hours"],
    check: (draft) => ({
      ...(draft.name.trim() ? {} : { name: t("screens.form.needed") }),
      ...(draft.origins.every((origin) => !origin.trim() || originOf(origin)) ? {} : { origins: t("screens.sites.origin_wrong") }),
      ...(wrongColors(draft) ? { "settings.theme": wrongColors(draft) } : {}),
      ...(draft.fields.map(wrongQuestion).find(Boolean) ? { "settings.prechat": draft.fields.map(wrongQuestion).find(Boolean) } : {}),
      ...(draft.always || DAYS.every((day) => inOrder(draft.days[day])) ? {} : { "settings.hours": t("screens.sites.hours_wrong") }),
    }),
    send: async (draft) => {
      const body = {
        name: draft.name.trim(),
        origins: [...new Set(draft.origins.map(originOf).filter((one) => one !== undefined))],
        settings: settingsOf(draft, site?.settings),
        ...(draft.bot || site?.bot ? { bot: draft.bot } : {}),
      };
      saved(site ? await rest<Site>("PATCH", `/admin/sites/${site.id}`, body) : await rest<Site>("POST", "/admin/sites", body));
    },
    done: () => { say(t("screens.saved")); },
  });
  const { values, set, wrong } = form;
  const put = <K extends keyof SiteDraft>(key: K) => (value: SiteDraft[K]): void => { set(key, value); };

  return (
    <form class="st-form" onSubmit={(event) => void form.submit(event)} noValidate>
      <fieldset class="sc-set">
        <legend>{t("screens.sites.basics")}</legend>
        <TextField label={t("screens.sites.name")} value={values.name} set={put("name")} wrong={wrong("name")} maxLength={120} required hint={t("screens.sites.name_hint")} />
        <Origins origins={values.origins} set={put("origins")} wrong={wrong("origins")} />
        {bots.length > 0 && (
          <Choice label={t("screens.sites.bot")} value={values.bot} set={put("bot")} wrong={wrong("bot")} options={[["", t("screens.sites.bot_first")], ...bots.map((name) => [name, name] as const), ...(values.bot && !bots.includes(values.bot) ? [[values.bot, values.bot] as const] : [])]} />
        )}
      </fieldset>
      <fieldset class="sc-set">
        <legend>{t("screens.sites.says")}</legend>
        <fieldset class="sc-set" aria-describedby="st-languages">
          <legend class="st-sub">{t("screens.sites.languages")}</legend>
          <span class="st-row">
            {Object.entries(LANGUAGES).map(([code, name]) => (
              <Check key={code} label={name} value={values.languages.includes(code)} set={(on) => {
                const languages = on ? [...values.languages, code] : values.languages.filter((one) => one !== code);
                if (languages.length) set("languages", languages);
              }} />
            ))}
          </span>
          {wrong("settings.languages") && <small class="sc-wrong" role="alert">{wrong("settings.languages")}</small>}
        </fieldset>
        {values.languages.map((code) => (
          <TextField key={code} label={t("screens.sites.greeting", { language: LANGUAGES[code] ?? code })} rows={2} maxLength={500} value={values.greeting[code] ?? ""} set={(text) => { set("greeting", { ...values.greeting, [code]: text }); }} placeholder={t("screens.sites.greeting_own")} wrong={wrong("settings.greeting")} />
        ))}
        <Check label={t("screens.sites.choice")} value={values.choice} set={put("choice")} hint={t("screens.sites.choice_hint")} />
        <Check label={t("screens.sites.offline_form")} value={values.offline_form} set={put("offline_form")} hint={t("screens.sites.offline_hint")} />
      </fieldset>
      <fieldset class="sc-set">
        <legend>{t("screens.sites.looks")}</legend>
        <div class="st-looks">
          <div class="sc-set">
            <Colors draft={values} set={set} wrong={wrong("settings.theme")} />
            <Choice label={t("screens.sites.side")} value={values.side} set={(side) => { set("side", side === "left" ? "left" : "right"); }} options={[["right", t("screens.sites.right")], ["left", t("screens.sites.left")]]} />
            <TextField label={t("screens.sites.label")} value={values.label} set={put("label")} maxLength={60} hint={t("screens.sites.label_hint")} wrong={wrong("settings.launcher")} />
          </div>
          <SitePreview draft={values} />
        </div>
      </fieldset>
      <Questions fields={values.fields} consent={values.consent} set={put("fields")} setConsent={put("consent")} wrong={wrong("settings.prechat")} />
      <Hours draft={values} set={set} wrong={wrong("settings.hours")} />
      <FormEnd form={form} save={site ? t("screens.save") : t("screens.sites.add")} />
    </form>
  );
}
