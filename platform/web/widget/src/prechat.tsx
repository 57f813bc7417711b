/** What the site asks before a conversation: its own fields, and consent where it wants one. */

import type { JSX } from "preact";
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { type Answers, Fault, faultsOf, Field, toFault } from "./fields.tsx";
import type { Key } from "./texts/en.ts";
import type { Beginning } from "./session.ts";
import type { Widget } from "./widget.ts";

/** Name and e-mail address are claims of their own; the rest are attributes. */
export function claimsOf(answers: Answers): Beginning {
  const claims: Beginning = {};
  for (const [field, answer] of Object.entries(answers)) {
    const value = answer.trim();
    if (!value) continue;
    if (field === "name" || field === "email") claims[field] = value;
    else claims.attributes = { ...claims.attributes, [field]: value };
  }
  return claims;
}

export function Prechat({ widget }: { widget: Widget }): JSX.Element {
  const { texts, site, busy, problem } = widget;
  const { fields, consent } = site.value.prechat;
  const form = useRef<HTMLFormElement>(null);
  const answers = useSignal<Answers>({});
  const faults = useSignal<Record<string, Key>>({});
  const agreed = useSignal(false);
  const submit = (event: Event): void => {
    event.preventDefault();
    faults.value = { ...faultsOf(fields, answers.value), ...(consent !== null && !agreed.value && { consent: "agreeFirst" }) };
    if (Object.keys(faults.value).length) toFault(form.current);
    else void widget.begin(claimsOf(answers.value));
  };
  return (
    <form class="page form" ref={form} noValidate onSubmit={submit}>
      <p class="muted">{texts.t("beforeLine")}</p>
      {fields.map((field) => (
        <Field
          key={field.name}
          field={field}
          value={answers.value[field.name] ?? ""}
          fault={faults.value[field.name]}
          texts={texts}
          put={(value) => {
            answers.value = { ...answers.value, [field.name]: value };
          }}
        />
      ))}
      {consent !== null && (
        <div class="f">
          <label class="check">
            <input
              type="checkbox"
              checked={agreed.value}
              aria-invalid={faults.value["consent"] !== undefined}
              aria-describedby={faults.value["consent"] && "consent-fault"}
              onChange={(event) => { agreed.value = event.currentTarget.checked; }}
            />
            <span dir="auto">{consent}</span>
          </label>
          {faults.value["consent"] && <Fault id="consent-fault" text={texts.t(faults.value["consent"])} />}
        </div>
      )}
      <p class="error" role="alert">{problem.value !== undefined && texts.t("couldNotStart", { why: problem.value })}</p>
      <button class="btn ink wide" aria-busy={busy.value}>{texts.t("start")}</button>
    </form>
  );
}
