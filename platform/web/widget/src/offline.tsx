/** A message for when nobody is here: it waits in line, and is answered by e-mail or here. */

import type { JSX } from "preact";
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { check, moon } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { Face } from "./face.tsx";
import { type Answers, faultsOf, Field, toFault } from "./fields.tsx";
import { claimsOf } from "./prechat.tsx";
import type { Beginning } from "./session.ts";
import type { PrechatField } from "./site.ts";
import type { Key } from "./texts/en.ts";
import { backOf, whenOf } from "./when.ts";
import type { Widget } from "./widget.ts";

/** Leave a message while nobody is here; whether it is on its way. A person answers it, not the assistant. */
async function leave(widget: Widget, text: string, claims: Beginning): Promise<boolean> {
  widget.wanted.value = "person";
  if (!(await widget.begin(claims, "offline"))) return false;
  const session = widget.session.peek();
  const room = session.room.peek();
  if (room !== undefined) void session.client.sendMessage(room, text).catch(() => undefined);
  return room !== undefined;
}

export function Offline({ widget }: { widget: Widget }): JSX.Element {
  const { texts, site, busy, problem } = widget;
  const form = useRef<HTMLFormElement>(null);
  const answers = useSignal<Answers>({});
  const faults = useSignal<Record<string, Key>>({});
  const sent = useSignal(false);
  const { opens_at } = site.value;
  const when = opens_at === null ? undefined : whenOf(new Date(opens_at), new Date(), texts);
  const fields: PrechatField[] = [
    { name: "email", label: texts.t("yourEmail"), kind: "email", options: [], required: true },
    { name: "text", label: texts.t("aboutWhat"), kind: "textarea", options: [], required: true },
  ];
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    faults.value = faultsOf(fields, answers.value);
    if (Object.keys(faults.value).length) {
      toFault(form.current);
      return;
    }
    const { text = "", ...claims } = answers.value;
    sent.value = await leave(widget, text.trim(), claimsOf(claims));
  };
  if (sent.value) {
    return (
      <div class="page done">
        <span class="dome" aria-hidden="true"><Icon of={check} size={26} /></span>
        <h3 tabIndex={-1} ref={(title) => { title?.focus(); }}>{texts.t("weHaveIt")}</h3>
        <p class="muted">{when === undefined ? texts.t("answerByEmail") : texts.t("lookForAnswer", { when })}</p>
        <button type="button" class="btn" onClick={() => { widget.go("conversation"); }}>{texts.t("seeConversation")}</button>
      </div>
    );
  }
  return (
    <div class="page flush">
      <div class="offline-top">
        <span class="dome" aria-hidden="true"><Icon of={moon} size={26} /></span>
        <div>
          <h3>{backOf(opens_at, texts)}</h3>
          <p>{texts.t("noteByEmail")}</p>
        </div>
      </div>
      <form class="form padded" ref={form} noValidate onSubmit={(event) => void submit(event)}>
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
        <p class="error" role="alert">{problem.value !== undefined && texts.t("couldNotStart", { why: problem.value })}</p>
        <button class="btn ink wide" aria-busy={busy.value}>{texts.t("sendMessage")}</button>
        <p class="small">{texts.t("addressUse")}</p>
      </form>
      <div class="instead">
        <Face of="bot" />
        <span>{texts.t("assistantAwake")}<br /><span class="muted">{texts.t("knowsHelp")}</span></span>
        <button type="button" class="btn" onClick={() => void widget.start("assistant")}>{texts.t("askIt")}</button>
      </div>
    </div>
  );
}
