/** What visitors are asked before a conversation begins: three fields at most, and what they agree to. */

import { x } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { JSX } from "preact";
import { t } from "../../words.ts";
import { Check, Choice, TextField } from "../parts/form.tsx";
import type { Question, QuestionKind } from "./draft.ts";

const MOST = 3;
const KINDS: QuestionKind[] = ["text", "email", "textarea", "select"];

export function wrongQuestion({ name, label, kind, options }: Question): string | undefined {
  if (!label.trim()) return t("screens.sites.question_label_needed");
  if (!/^[a-z][a-z0-9_]{0,39}$/.test(name)) return t("screens.sites.question_name_form");
  if (kind === "select" && new Set((options ?? []).map((one) => one.trim()).filter(Boolean)).size < 2) return t("screens.sites.question_options_needed");
  return undefined;
}

interface QuestionsProps {
  fields: Question[];
  consent: string;
  set: (fields: Question[]) => void;
  setConsent: (text: string) => void;
  wrong?: string | undefined;
}

export function Questions({ fields, consent, set, setConsent, wrong }: QuestionsProps): JSX.Element {
  const put = (at: number, change: Partial<Question>): void => { set(fields.map((was, other) => (other === at ? { ...was, ...change } : was))); };
  return (
    <fieldset class="sc-set">
      <legend>{t("screens.sites.prechat")}</legend>
      {fields.length === 0 && <p class="muted">{t("screens.sites.prechat_none")}</p>}
      {fields.map((field, at) => (
        <fieldset class="sc-card st-question" key={at}>
          <legend class="unseen">{t("screens.sites.question", { n: at + 1 })}</legend>
          <div class="sc-pair">
            <TextField label={t("screens.sites.question_label")} value={field.label} set={(label) => { put(at, { label }); }} maxLength={120} />
            <TextField label={t("screens.sites.question_name")} dir="ltr" value={field.name} set={(name) => { put(at, { name }); }} maxLength={40} />
            <Choice label={t("screens.sites.question_kind")} value={field.kind} set={(kind) => { put(at, { kind: KINDS.find((one) => one === kind) ?? "text" }); }} options={KINDS.map((kind) => [kind, t(`screens.sites.kind_${kind}`)] as const)} />
          </div>
          {field.kind === "select" && <TextField label={t("screens.sites.question_options")} rows={3} value={(field.options ?? []).join("\n")} set={(text) => { put(at, { options: text.split("\n") }); }} />}
          <span class="st-row">
            <Check label={t("screens.sites.question_required")} value={field.required ?? false} set={(required) => { put(at, { required }); }} />
            <button type="button" class="btn sm quiet" onClick={() => { set(fields.filter((_, other) => other !== at)); }}>
              <Icon of={x} size={13} /> {t("screens.sites.question_remove")}
            </button>
          </span>
        </fieldset>
      ))}
      {fields.length < MOST && (
        <span>
          <button type="button" class="btn sm" onClick={() => { set([...fields, { name: fields.some((one) => one.name === "name") ? `answer_${fields.length + 1}` : "name", label: "", kind: "text", required: false }]); }}>
            {t("screens.sites.question_add")}
          </button>
        </span>
      )}
      <TextField label={t("screens.sites.consent")} rows={2} maxLength={500} value={consent} set={setConsent} hint={t("screens.sites.consent_hint")} />
      {wrong && <small class="sc-wrong" role="alert" dir="auto">{wrong}</small>}
    </fieldset>
  );
}
