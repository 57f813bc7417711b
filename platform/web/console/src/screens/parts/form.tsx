/**
 * Forms: what is typed is kept whatever happens, an answer that refuses is said at the field it is about, nothing is
 * sent twice, and nobody leaves with something unsaved without being asked.
 */

import { asError, type DeskbellError } from "@deskbell/client";
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { fieldDir } from "@deskbell/ui/texts.ts";
import { t } from "../../words.ts";
import { Problem, sentence } from "./page.tsx";
import { useUnsaved } from "./unsaved.ts";

export interface Form<T> {
  values: T;
  set: <K extends keyof T>(key: K, value: T[K]) => void;
  /** The sentence that belongs to a field, if something is wrong with it. */
  wrong: (field: string) => string | undefined;
  /** What was refused and belongs to no field shown. */
  error: DeskbellError | undefined;
  busy: boolean;
  dirty: boolean;
  submit: (event?: Event) => Promise<void>;
  reset: (values: T) => void;
}

interface FormOptions<T> {
  initial: T;
  /** Check before anything is sent: a sentence by field. */
  check?: (values: T) => Partial<Record<string, string>>;
  send: (values: T) => Promise<unknown>;
  /** Sent and answered well. */
  done?: () => void;
  /** The fields that can say their own errors. */
  fields: readonly string[];
}

export function useForm<T extends object>({ initial, check, send, done, fields }: FormOptions<T>): Form<T> {
  const [values, put] = useState(initial);
  const [state, say] = useState<{ wrong: Partial<Record<string, string>>; error?: DeskbellError | undefined; busy: boolean; saved?: boolean }>({ wrong: {}, busy: false });
  const start = useRef(JSON.stringify(initial));
  const busy = useRef(false);
  const alive = useRef(true);
  const dirty = JSON.stringify(values) !== start.current;

  useUnsaved(dirty && !state.saved);
  useEffect(() => {
    alive.current = true;
    return () => {
      alive.current = false;
    };
  }, []);

  return {
    values,
    dirty,
    busy: state.busy,
    error: state.error,
    wrong: (field) => state.wrong[field],
    set: (key, value) => {
      put((was) => ({ ...was, [key]: value }));
      say((was) => ({ ...was, saved: false, wrong: { ...was.wrong, [key as string]: undefined } }));
    },
    reset: (fresh) => {
      start.current = JSON.stringify(fresh);
      put(fresh);
      say({ wrong: {}, busy: false });
    },
    submit: async (event) => {
      event?.preventDefault();
      if (busy.current) return;
      const wrong = check?.(values) ?? {};
      if (Object.values(wrong).some(Boolean)) {
        say({ wrong, busy: false });
        return;
      }
      busy.current = true;
      say({ wrong: {}, busy: true });
      try {
        await send(values);
        if (!alive.current) return;
        start.current = JSON.stringify(values);
          say({ wrong: {}, busy: false });
        done?.();
      } catch (thrown) {
        if (!alive.current) return;
        const error = asError(thrown);
        // `path` is such as `settings.theme.color` or `origins[2]`; the field is how it begins.
        const { path: named } = error.details;
        const path = typeof named === "string" ? named : "";
        const field = fields.find((one) => path === one || path.startsWith(`${one}.`) || path.startsWith(`${one}[`));
        say(field === undefined ? { wrong: {}, error, busy: false } : { wrong: { [field]: sentence(error) }, busy: false });
      } finally {
        busy.current = false;
      }
    },
  };
}

interface FieldProps {
  label: string;
  hint?: ComponentChildren;
  wrong?: string | undefined;
  /** Draws the control; it must take these. */
  children: (own: { id: string; "aria-describedby": string | undefined; "aria-invalid": boolean }) => JSX.Element;
}

/** A label, its control, a hint, and what is wrong, tied together. */
export function Field({ label, hint, wrong, children }: FieldProps): JSX.Element {
  const id = useId();
  const tells = [hint !== undefined ? `${id}-hint` : "", wrong ? `${id}-wrong` : ""].filter(Boolean).join(" ");
  return (
    <div class={wrong ? "sc-field wrong" : "sc-field"}>
      <label for={id}>{label}</label>
      {children({ id, "aria-describedby": tells || undefined, "aria-invalid": Boolean(wrong) })}
      {hint !== undefined && (
        <small id={`${id}-hint`} class="sc-hint">
          {hint}
        </small>
      )}
      {wrong && (
        <small id={`${id}-wrong`} class="sc-wrong" role="alert" dir="auto">
          {wrong}
        </small>
      )}
    </div>
  );
}

type InputProps = Omit<FieldProps, "children"> & {
  value: string;
  set: (value: string) => void;
  type?: "text" | "email" | "password";
  autocomplete?: string;
  required?: boolean;
  maxLength?: number;
  placeholder?: string;
  /** More lines than one. */
  rows?: number;
  /** What people wrote reads in its own direction; codes read left to right. */
  dir?: "ltr";
};

export function TextField({ value, set, type = "text", rows, dir, label, hint, wrong, ...more }: InputProps): JSX.Element {
  return (
    <Field label={label} hint={hint} wrong={wrong}>
      {(own) =>
        rows === undefined ? (
          // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-assertion -- the types tell inputs apart by one literal each
          <input {...own} {...more} class="field" type={type as "text"} dir={dir ?? fieldDir(value)} value={value} onInput={(event) => { set(event.currentTarget.value); }} />
        ) : (
          <textarea {...own} {...more} class="field" rows={rows} dir={dir ?? fieldDir(value)} value={value} onInput={(event) => { set(event.currentTarget.value); }} />
        )
      }
    </Field>
  );
}

interface ChoiceProps extends Omit<FieldProps, "children"> {
  value: string;
  set: (value: string) => void;
  options: readonly (readonly [string, string])[];
  disabled?: boolean;
}

export function Choice({ value, set, options, disabled = false, label, hint, wrong }: ChoiceProps): JSX.Element {
  return (
    <Field label={label} hint={hint} wrong={wrong}>
      {(own) => (
        <select {...own} class="field" disabled={disabled} value={value} onChange={(event) => { set(event.currentTarget.value); }}>
          {options.map(([key, word]) => (
            <option key={key} value={key}>
              {word}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

export function Check({ label, value, set, hint }: { label: string; value: boolean; set: (value: boolean) => void; hint?: string }): JSX.Element {
  const id = useId();
  return (
    <div class="sc-check">
      <input id={id} type="checkbox" checked={value} onChange={(event) => { set(event.currentTarget.checked); }} aria-describedby={hint ? `${id}-hint` : undefined} />
      <label for={id}>{label}</label>
      {hint && (
        <small id={`${id}-hint`} class="sc-hint">
          {hint}
        </small>
      )}
    </div>
  );
}

/** What was refused, then the buttons. */
export function FormEnd({ form, save, cancel, children }: { form: Pick<Form<object>, "error" | "busy">; save: string; cancel?: (() => void) | undefined; children?: ComponentChildren }): JSX.Element {
  return (
    <>
      {form.error && <Problem error={form.error} />}
      <div class="sc-end">
        <button type="submit" class="btn ink" disabled={form.busy}>
          {form.busy ? t("screens.saving") : save}
        </button>
        {cancel && (
          <button type="button" class="btn" onClick={cancel}>
            {t("screens.cancel")}
          </button>
        )}
        {children}
      </div>
    </>
  );
}
