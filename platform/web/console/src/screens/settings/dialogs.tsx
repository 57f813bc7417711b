/** The forms of a snippet, a saved view and a label. */

import type { JSX } from "preact";
import type { CasesView, Label, Snippet, View } from "../../records.ts";
import { say } from "../../sayings.ts";
import { useDesk } from "../../use-desk.ts";
import { t } from "../../words.ts";
import { Dialog } from "../parts/dialog.tsx";
import { Check, Choice, Field, FormEnd, TextField, useForm } from "../parts/form.tsx";
import { useRest } from "../rest.ts";

interface Closing {
  close: () => void;
  changed: () => Promise<void>;
}

const LISTS: CasesView[] = ["mine", "queue", "bot", "all", "snoozed", "resolved"];
const PLACEHOLDER = /\{\{([^{}]*)\}\}/g;

/** What a snippet may have filled in; any other is refused by the server, and said here first. */
export function unknownPlaceholder(text: string): string | undefined {
  for (const [whole, name = ""] of text.matchAll(PLACEHOLDER)) {
    if (!["visitor.name", "agent.name"].includes(name.trim())) return whole;
  }
  return undefined;
}

export function SnippetDialog({ snippet, close, changed }: Closing & { snippet?: Snippet | undefined }): JSX.Element {
  const rest = useRest();
  const { isLead } = useDesk();
  const form = useForm({
    initial: { shortcut: snippet?.shortcut ?? "", text: snippet?.text ?? "", shared: snippet?.shared ?? false },
    fields: ["shortcut", "text"],
    check: ({ shortcut, text }) => {
      const unknown = unknownPlaceholder(text);
      return {
        ...(/^[a-z0-9][a-z0-9_-]{0,39}$/.test(shortcut) ? {} : { shortcut: t("screens.snippets.shortcut_form") }),
        ...(text.trim() ? (unknown ? { text: t("screens.snippets.unknown", { what: unknown }) } : {}) : { text: t("screens.form.needed") }),
      };
    },
    send: ({ shortcut, text, shared }) => (snippet ? rest("PATCH", `/snippets/${snippet.id}`, { shortcut, text }) : rest("POST", "/snippets", { shortcut, text, shared })),
    done: () => { finish(close, changed); },
  });
  const { values, set, wrong } = form;
  return (
    <Dialog title={snippet ? `/${snippet.shortcut}` : t("screens.snippets.add")} close={close} unsaved={form.dirty && !form.busy}>
      <form class="sc-form" onSubmit={(event) => void form.submit(event)} noValidate>
        <TextField label={t("screens.snippets.shortcut")} dir="ltr" value={values.shortcut} set={(value) => { set("shortcut", value.replace(/^\//, "").toLowerCase()); }} wrong={wrong("shortcut")} hint={t("screens.snippets.shortcut_hint")} maxLength={40} required />
        <TextField label={t("screens.snippets.text")} rows={6} value={values.text} set={(value) => { set("text", value); }} wrong={wrong("text")} hint={t("screens.snippets.text_hint", { visitor: "{{visitor.name}}", agent: "{{agent.name}}" })} required />
        {isLead && !snippet && <Check label={t("screens.for_all")} value={values.shared} set={(value) => { set("shared", value); }} />}
        <FormEnd form={form} save={t("screens.save")} cancel={close} />
      </form>
    </Dialog>
  );
}

export function ViewDialog({ view, close, changed }: Closing & { view?: View | undefined }): JSX.Element {
  const rest = useRest();
  const desk = useDesk();
  const form = useForm<{ name: string; list: string; label: string; team: string; priority: string; shared: boolean }>({
    initial: { name: view?.name ?? "", list: view?.filter.view ?? "all", label: view?.filter.label ?? "", team: view?.filter.team ?? "", priority: String(view?.filter.priority ?? ""), shared: view?.shared ?? false },
    fields: ["name", "filter"],
    check: ({ name }) => (name.trim() ? {} : { name: t("screens.form.needed") }),
    send: ({ name, list, label, team, priority, shared }) => {
      const body = { name: name.trim(), filter: { view: list, label: label || null, team: team || null, priority: priority ? Number(priority) : null } };
      return view ? rest("PATCH", `/views/${view.id}`, body) : rest("POST", "/views", { ...body, shared });
    },
    done: () => { finish(close, changed); },
  });
  const { values, set, wrong } = form;
  const any: readonly [string, string] = ["", t("screens.search.any")];
  return (
    <Dialog title={view ? view.name : t("screens.views.add")} close={close} unsaved={form.dirty && !form.busy}>
      <form class="sc-form" onSubmit={(event) => void form.submit(event)} noValidate>
        <TextField label={t("screens.people.name")} value={values.name} set={(value) => { set("name", value); }} wrong={wrong("name")} maxLength={60} required />
        <Choice label={t("screens.views.list")} value={values.list} set={(value) => { set("list", value); }} wrong={wrong("filter")} options={LISTS.map((list) => [list, t(`screens.views.list_${list}`)] as const)} />
        <Choice label={t("screens.views.label")} value={values.label} set={(value) => { set("label", value); }} options={[any, ...desk.labels.value.filter((one) => !one.retired || one.id === values.label).map((one) => [one.id, one.name] as const)]} />
        <Choice label={t("screens.views.team")} value={values.team} set={(value) => { set("team", value); }} options={[any, ...desk.teams.value.map((one) => [one.slug, one.name] as const)]} />
        <Choice label={t("screens.views.priority")} value={values.priority} set={(value) => { set("priority", value); }} options={[any, ["1", t("screens.views.priority_from_1")], ["2", t("screens.priority.2")]]} />
        {desk.isLead && !view && <Check label={t("screens.for_all")} value={values.shared} set={(value) => { set("shared", value); }} />}
        <FormEnd form={form} save={t("screens.save")} cancel={close} />
      </form>
    </Dialog>
  );
}

export function LabelDialog({ label, close, changed }: Closing & { label?: Label | undefined }): JSX.Element {
  const rest = useRest();
  const form = useForm({
    initial: { name: label?.name ?? "", color: label?.color ?? "" },
    fields: ["name", "color"],
    check: ({ name }) => (name.trim() ? {} : { name: t("screens.form.needed") }),
    send: ({ name, color }) => (label ? rest("PATCH", `/labels/${label.id}`, { name: name.trim(), color }) : rest("POST", "/labels", { name: name.trim(), color })),
    done: () => { finish(close, changed); },
  });
  const { values, set, wrong } = form;
  return (
    <Dialog title={label ? label.name : t("screens.labels.add")} close={close} unsaved={form.dirty && !form.busy}>
      <form class="sc-form" onSubmit={(event) => void form.submit(event)} noValidate>
        <TextField label={t("screens.people.name")} value={values.name} set={(value) => { set("name", value); }} wrong={wrong("name")} maxLength={60} required />
        <Field label={t("screens.labels.color")} hint={t("screens.labels.color_hint")} wrong={wrong("color")}>
          {(own) => (
            <span class="sc-end">
              <input {...own} type="color" class="st-well" value={values.color || "#8a8175"} onInput={(event) => { set("color", event.currentTarget.value.toLowerCase()); }} />
              {values.color && <button type="button" class="btn sm quiet" onClick={() => { set("color", ""); }}>{t("screens.labels.no_color")}</button>}
            </span>
          )}
        </Field>
        <FormEnd form={form} save={t("screens.save")} cancel={close} />
      </form>
    </Dialog>
  );
}

function finish(close: () => void, changed: () => Promise<void>): void {
  say(t("screens.saved"));
  void changed();
  close();
}
