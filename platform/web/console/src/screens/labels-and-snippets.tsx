/**
 * What agents sort and write with: snippets and saved views, one's own and shared ones; labels, for supervisors.
 * What is shared can be changed by supervisors alone, so others are not shown the buttons.
 */

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Filter, Label, Snippet, View } from "../records.ts";
import { say } from "../sayings.ts";
import { useDesk } from "../use-desk.ts";
import { t } from "../words.ts";
import { Empty, Problem } from "./parts/page.tsx";
import { useRest } from "./rest.ts";
import { LabelDialog, SnippetDialog, ViewDialog } from "./settings/dialogs.tsx";

/** Delete after asking; what was refused is kept to be said. */
function useDelete(again: () => Promise<void>): { failed: unknown; busy: boolean; remove: (path: string, sure: string) => Promise<void> } {
  const rest = useRest();
  const [failed, setFailed] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  return {
    failed,
    busy,
    remove: async (path, sure) => {
      if (!confirm(sure)) return;
      setBusy(true);
      setFailed(undefined);
      try {
        await rest("DELETE", path);
        say(t("screens.deleted"));
      } catch (thrown) {
        setFailed(thrown);
      } finally {
        setBusy(false);
        await again();
      }
    },
  };
}

interface RowActs {
  name: string;
  edit: () => void;
  remove?: (() => void) | undefined;
  removeWord?: string;
  busy: boolean;
}

function Acts({ name, edit, remove, removeWord, busy }: RowActs): JSX.Element {
  return (
    <span class="sc-acts">
      <button type="button" class="btn sm" aria-label={t("screens.people.edit_of", { name })} onClick={edit}>{t("screens.edit")}</button>
      {remove && <button type="button" class="btn sm bad" disabled={busy} aria-label={`${removeWord ?? t("screens.delete")}: ${name}`} onClick={remove}>{removeWord ?? t("screens.delete")}</button>}
    </span>
  );
}

function Head({ add, open }: { add: string; open: () => void }): JSX.Element {
  return (
    <div class="sc-acts">
      <button type="button" class="btn ink" onClick={open}>{add}</button>
    </div>
  );
}

export function Snippets(): JSX.Element {
  const desk = useDesk();
  const [open, setOpen] = useState<Snippet | "new">();
  const again = (): Promise<void> => desk.readSnippets();
  const { failed, busy, remove } = useDelete(again);
  const all = desk.snippets.value;
  return (
    <>
      <Head add={t("screens.snippets.add")} open={() => { setOpen("new"); }} />
      {failed !== undefined && <Problem error={failed} />}
      {all.length === 0 ? (
        <Empty>{t("screens.snippets.none")}</Empty>
      ) : (
        <table class="sc-table">
          <thead>
            <tr>
              <th scope="col">{t("screens.snippets.shortcut")}</th>
              <th scope="col">{t("screens.snippets.text")}</th>
              <th scope="col">{t("screens.snippets.whose")}</th>
              <th scope="col"><span class="unseen">{t("screens.actions")}</span></th>
            </tr>
          </thead>
          <tbody>
            {all.map((one) => (
              <tr key={one.id}>
                <td><b class="sc-code">/{one.shortcut}</b></td>
                <td><span class="ls-text" dir="auto">{one.text}</span></td>
                <td data-of={t("screens.snippets.whose")}>{one.shared ? t("screens.shared") : t("screens.mine")}</td>
                <td>{(!one.shared || desk.isLead) && <Acts name={one.shortcut} busy={busy} edit={() => { setOpen(one); }} remove={() => void remove(`/snippets/${one.id}`, t("screens.delete_sure", { name: one.shortcut }))} />}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {open && <SnippetDialog snippet={open === "new" ? undefined : open} close={() => { setOpen(undefined); }} changed={again} />}
    </>
  );
}

export function Views(): JSX.Element {
  const desk = useDesk();
  const [open, setOpen] = useState<View | "new">();
  const again = (): Promise<void> => desk.readViews();
  const { failed, busy, remove } = useDelete(again);
  const all = desk.views.value;
  return (
    <>
      <Head add={t("screens.views.add")} open={() => { setOpen("new"); }} />
      {failed !== undefined && <Problem error={failed} />}
      {all.length === 0 ? (
        <Empty>{t("screens.views.none")}</Empty>
      ) : (
        <table class="sc-table">
          <thead>
            <tr>
              <th scope="col">{t("screens.people.name")}</th>
              <th scope="col">{t("screens.views.shows")}</th>
              <th scope="col">{t("screens.snippets.whose")}</th>
              <th scope="col"><span class="unseen">{t("screens.actions")}</span></th>
            </tr>
          </thead>
          <tbody>
            {all.map((one) => (
              <tr key={one.id}>
                <td><b dir="auto">{one.name}</b></td>
                <td data-of={t("screens.views.shows")} dir="auto">{wordsOf(one.filter, desk.labels.value, new Map(desk.teams.value.map((team) => [team.slug, team.name])))}</td>
                <td data-of={t("screens.snippets.whose")}>{one.shared ? t("screens.shared") : t("screens.mine")}</td>
                <td>{(!one.shared || desk.isLead) && <Acts name={one.name} busy={busy} edit={() => { setOpen(one); }} remove={() => void remove(`/views/${one.id}`, t("screens.delete_sure", { name: one.name }))} />}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {open && <ViewDialog view={open === "new" ? undefined : open} close={() => { setOpen(undefined); }} changed={again} />}
    </>
  );
}

function wordsOf(filter: Filter, labels: Label[], teams: ReadonlyMap<string, string>): string {
  return [
    t(`screens.views.list_${filter.view ?? "all"}`),
    filter.label && (labels.find((label) => label.id === filter.label)?.name ?? t("screens.views.label_gone")),
    filter.team && (teams.get(filter.team) ?? filter.team),
    filter.priority && t(filter.priority === 2 ? "screens.priority.2" : "screens.views.priority_from_1"),
  ].filter(Boolean).join(" · ");
}

export function Labels(): JSX.Element {
  const desk = useDesk();
  const rest = useRest();
  const [open, setOpen] = useState<Label | "new">();
  const [refused, setRefused] = useState<unknown>();
  const again = (): Promise<void> => desk.readLabels();
  const { failed, busy, remove } = useDelete(again);
  const all = [...desk.labels.value].sort((a, b) => Number(a.retired) - Number(b.retired));

  async function offerAgain(label: Label): Promise<void> {
    setRefused(undefined);
    try {
      await rest("PATCH", `/labels/${label.id}`, { retired: false });
    } catch (thrown) {
      setRefused(thrown);
    }
    await again();
  }

  return (
    <>
      <Head add={t("screens.labels.add")} open={() => { setOpen("new"); }} />
      {failed !== undefined && <Problem error={failed} />}
      {refused !== undefined && <Problem error={refused} />}
      {all.length === 0 ? (
        <Empty>{t("screens.labels.none")}</Empty>
      ) : (
        <table class="sc-table">
          <tbody>
            {all.map((one) => (
              <tr key={one.id} class={one.retired ? "sc-off" : ""}>
                <td>
                  <span class="ls-name">
                    <i class="ls-color" style={one.color ? { background: one.color } : {}} />
                    <b dir="auto">{one.name}</b>
                    {one.retired && <span class="sc-tag">{t("screens.labels.retired")}</span>}
                  </span>
                </td>
                <td>
                  {one.retired ? (
                    <span class="sc-acts">
                      <button type="button" class="btn sm" aria-label={t("screens.labels.offer_of", { name: one.name })} onClick={() => void offerAgain(one)}>{t("screens.labels.offer")}</button>
                    </span>
                  ) : (
                    <Acts name={one.name} busy={busy} removeWord={t("screens.labels.retire")} edit={() => { setOpen(one); }} remove={() => void remove(`/labels/${one.id}`, t("screens.labels.retire_sure", { name: one.name }))} />
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {open && <LabelDialog label={open === "new" ? undefined : open} close={() => { setOpen(undefined); }} changed={again} />}
    </>
  );
}
