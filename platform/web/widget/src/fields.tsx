/** Fields of a form: a label, the control, and what is wrong with it beside it. What was typed is never lost. */

import type { JSX } from "preact";
import { warn } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { fieldDir, type Texts } from "@deskbell/ui/texts.ts";
import type { PrechatField } from "./site.ts";
import type { Key } from "./texts/en.ts";

export type Answers = Readonly<Record<string, string>>;

/** What is wrong with each answer; nothing where all is well. */
export function faultsOf(fields: readonly PrechatField[], answers: Answers): Record<string, Key> {
  const faults: Record<string, Key> = {};
  for (const { name, kind, required } of fields) {
    const answer = (answers[name] ?? "").trim();
    if (!answer) {
      if (required) faults[name] = "needed";
    } else if (kind === "email" && !/^[^\s@]+@[^\s@]+\.[^\s@.]{2,}$/.test(answer)) faults[name] = "emailIncomplete";
  }
  return faults;
}

interface FieldProps {
  field: PrechatField;
  value: string;
  fault: Key | undefined;
  texts: Texts<Key>;
  put: (value: string) => void;
}

const COMPLETES: Record<string, string> = { name: "name", email: "email", phone: "tel" };

export function Field({ field, value, fault, texts, put }: FieldProps): JSX.Element {
  const { name, label, kind, required, options } = field;
  const id = `field-${name}`;
  const shared = {
    id,
    name,
    required,
    value,
    dir: fieldDir(value),
    "aria-required": required,
    "aria-invalid": fault !== undefined,
    "aria-describedby": fault === undefined ? undefined : `${id}-fault`,
    class: fault === undefined ? "in" : "in err",
  };
  const control = (): JSX.Element => {
    if (kind === "textarea") return <textarea {...shared} rows={3} maxLength={4000} onInput={(event) => { put(event.currentTarget.value); }} />;
    if (kind === "select") {
      return (
        <select {...shared} dir={undefined} onChange={(event) => { put(event.currentTarget.value); }}>
          <option value="">{texts.t("choose")}</option>
          {options.map((option) => <option key={option}>{option}</option>)}
        </select>
      );
    }
    return (
      <input {...shared} list={undefined} maxLength={200} type={kind} autocomplete={COMPLETES[kind === "email" ? "email" : name] ?? "off"} onInput={(event) => { put(event.currentTarget.value); }} />
    );
  };
  return (
    <div class="f">
      <label for={id}>
        <bdi>{label}</bdi>
        {!required && <span class="optional"> {texts.t("optional")}</span>}
      </label>
      {control()}
      {fault !== undefined && <Fault id={`${id}-fault`} text={texts.t(fault)} />}
    </div>
  );
}

export function Fault({ id, text }: { id: string; text: string }): JSX.Element {
  return <span class="err-t" id={id}><Icon of={warn} size={13} /> {text}</span>;
}

/** Put the focus on the first field that has a fault. */
export function toFault(form: HTMLFormElement | null): void {
  // After the faults are drawn.
  setTimeout(() => form?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus());
}
