/** Narrowing a list by status, label, team and priority, and keeping that as a view. */

import { filter as filterGlyph, x } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { known } from "../acts.ts";
import { narrowed } from "../lists.ts";
import { priorityName } from "../parts/marks.tsx";
import { Popover } from "../parts/popover.tsx";
import type { CasesView, Filter, ListName, View } from "../records.ts";
import { go } from "../route.ts";
import { say } from "../sayings.ts";
import { useDesk } from "../use-desk.ts";
import { t } from "../words.ts";

const STATUSES = ["mine", "queue", "all", "snoozed", "resolved"] as const;

/** The same without what says nothing. */
function tidy(filter: Filter): Filter {
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined && value !== null && value !== "" && value !== 0));
}

export function FilterForm({ list }: { list: ListName }): JSX.Element {
  const desk = useDesk();
  const now = narrowed.value;
  const { view, team } = desk.filterOf(list);
  const set = (change: Filter): void => {
    narrowed.value = tidy({ ...narrowed.value, ...change });
  };
  const on = Object.keys(now).length > 0;
  return (
    <Popover button={<Icon of={filterGlyph} />} class={on ? "ib on" : "ib"} label={t("filter.label")} kind="dialog" align="end">
      {() => (
        <div class="l-form">
          <label>
            {t("filter.status")}
            <select
              class="field"
              value={view ?? "all"}
              onChange={(event) => {
                if (team) set({ team });
                go({ screen: "inbox", list: event.currentTarget.value as CasesView });
              }}
            >
              {STATUSES.map((name) => (
                <option value={name} key={name}>
                  {t(`filter.status.${name}`)}
                </option>
              ))}
            </select>
          </label>
          <label>
            {t("filter.label.one")}
            <select class="field" value={now.label ?? ""} onChange={(event) => { set({ label: event.currentTarget.value }); }}>
              <option value="">{t("filter.any")}</option>
              {desk.labels.value.map(({ id, name }) => (
                <option value={id} key={id}>
                  {name}
                </option>
              ))}
            </select>
          </label>
          <label>
            {t("filter.team")}
            <select class="field" value={now.team ?? team ?? ""} onChange={(event) => { set({ team: event.currentTarget.value }); }}>
              <option value="">{t("filter.any")}</option>
              {desk.teams.value.map(({ slug, name }) => (
                <option value={slug} key={slug}>
                  {name}
                </option>
              ))}
            </select>
          </label>
          <label>
            {t("filter.priority")}
            <select class="field" value={now.priority ?? 0} onChange={(event) => { set({ priority: Number(event.currentTarget.value) }); }}>
              <option value={0}>{t("filter.any")}</option>
              <option value={1}>{t("filter.atleast", { name: priorityName(1) })}</option>
              <option value={2}>{priorityName(2)}</option>
            </select>
          </label>
        </div>
      )}
    </Popover>
  );
}

/** What the list is narrowed to, each part to be taken off, and the whole to be kept. */
export function Narrowed({ list }: { list: ListName }): JSX.Element | null {
  const desk = useDesk();
  const [naming, setNaming] = useState(false);
  const now = narrowed.value;
  const parts: [keyof Filter, string][] = [];
  if (now.label) parts.push(["label", desk.labels.value.find(({ id }) => id === now.label)?.name ?? t("filter.label.one")]);
  if (now.team) parts.push(["team", desk.teams.value.find(({ slug }) => slug === now.team)?.name ?? now.team]);
  if (now.priority) parts.push(["priority", now.priority === 1 ? t("filter.atleast", { name: priorityName(1) }) : priorityName(2)]);
  if (parts.length === 0) return null;
  const filter: Filter = tidy({ ...desk.filterOf(list), ...now });
  return (
    <div class="l-filter">
      {parts.map(([key, name]) => (
        <button
          type="button"
          class="lab"
          key={key}
          aria-label={t("filter.off", { name })}
          onClick={() => {
            narrowed.value = tidy({ ...narrowed.value, [key]: null });
          }}
        >
          <span dir="auto">{name}</span>
          <Icon of={x} size={13} />
        </button>
      ))}
      {naming ? (
        <SaveView
          filter={filter}
          done={() => {
            setNaming(false);
          }}
        />
      ) : (
        <button type="button" class="link" onClick={() => { setNaming(true); }}>
          {t("views.save")}
        </button>
      )}
    </div>
  );
}

function SaveView({ filter, done }: { filter: Filter; done: () => void }): JSX.Element {
  const desk = useDesk();
  const [name, setName] = useState("");
  const [shared, setShared] = useState(false);
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    try {
      const view = (await desk.rest("POST", "/views", { name: name.trim(), filter, shared })) as View;
      await desk.readViews();
      narrowed.value = {};
      go({ screen: "inbox", list: `view:${view.id}` });
      done();
    } catch (thrown) {
      say(desk.act.reason(known(thrown)), { bad: true });
    }
  };
  return (
    <form
      onSubmit={(event) => void save(event)}
      onKeyDown={(event) => {
        if (event.key === "Escape") done();
      }}
    >
      <input
        class="field"
        required
        maxLength={80}
        aria-label={t("views.name")}
        placeholder={t("views.name")}
        value={name}
        ref={focused}
        onInput={(event) => { setName(event.currentTarget.value); }}
      />
      {desk.isLead && (
        <label class="check">
          <input type="checkbox" checked={shared} onChange={() => { setShared(!shared); }} /> {t("views.shared")}
        </label>
      )}
      <button type="submit" class="btn sm">
        {t("views.keep")}
      </button>
    </form>
  );
}

/** What has just been opened to be written in has the focus. */
export function focused(field: HTMLInputElement | null): void {
  if (field && document.activeElement !== field && !field.value) field.focus();
}
