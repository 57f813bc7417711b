/**
 * The table of what agents keep to sort and write with, such as snippets: what there is, a button for a new one, and on
 * each line what may be done with it. What is deleted is asked for first; what was refused is said above the table.
 */

import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import { say } from "../../sayings.ts";
import { t } from "../../words.ts";
import { Empty, Problem } from "../parts/page.tsx";
import { useRest } from "../rest.ts";

interface Kept {
  id: string;
}
interface Column<T> {
  title: string;
  /** Whether a card, on a phone, says what the cell is. */
  said?: boolean;
  cell: (one: T) => ComponentChildren;
}
interface KeptTableProps<T extends Kept> {
  items: readonly T[];
  columns: readonly Column<T>[];
  /** What is to be read where there is nothing. */
  none: string;
  add: string;
  name: (one: T) => string;
  path: (one: T) => string;
  mayChange: (one: T) => boolean;
  /** Over, but still to be seen; with the way back, where there is one. */
  over?: { is: (one: T) => boolean; word: string; label: (one: T) => string; undo: unknown };
  remove: { word: string; done: string; sure: (one: T) => string };
  form: (one: T | undefined, close: () => void) => JSX.Element;
  again: () => Promise<void>;
}

export function KeptTable<T extends Kept>(props: KeptTableProps<T>): JSX.Element {
  const { items, columns, none, add, name, path, mayChange, over, remove, form, again } = props;
  const rest = useRest();
  const [open, setOpen] = useState<T | "new">();
  const [failed, setFailed] = useState<unknown>();
  const [busy, setBusy] = useState(false);

  async function ask(method: string, one: T, body?: unknown): Promise<void> {
    setBusy(true);
    setFailed(undefined);
    try {
      await rest(method, path(one), body);
      if (method === "DELETE") say(remove.done);
    } catch (thrown) {
      setFailed(thrown);
    } finally {
      setBusy(false);
      await again();
    }
  }

  const acts = (one: T): JSX.Element => (
    <span class="sc-acts">
      {over?.is(one) ? (
        <button type="button" class="btn sm" disabled={busy} aria-label={over.label(one)} onClick={() => void ask("PATCH", one, over.undo)}>{over.word}</button>
      ) : (
        <>
          <button type="button" class="btn sm" aria-label={t("screens.people.edit_of", { name: name(one) })} onClick={() => { setOpen(one); }}>{t("screens.edit")}</button>
          <button
            type="button"
            class="btn sm bad"
            disabled={busy}
            aria-label={`${remove.word}: ${name(one)}`}
            onClick={() => { if (confirm(remove.sure(one))) void ask("DELETE", one); }}
          >
            {remove.word}
          </button>
        </>
      )}
    </span>
  );

  return (
    <>
      <div class="sc-acts">
        <button type="button" class="btn ink" onClick={() => { setOpen("new"); }}>{add}</button>
      </div>
      {failed !== undefined && <Problem error={failed} />}
      {items.length === 0 ? (
        <Empty>{none}</Empty>
      ) : (
        <table class="sc-table">
          <thead>
            <tr>
              {columns.map(({ title }) => <th scope="col" key={title}>{title}</th>)}
              <th scope="col"><span class="unseen">{t("screens.actions")}</span></th>
            </tr>
          </thead>
          <tbody>
            {items.map((one) => (
              <tr key={one.id} class={over?.is(one) ? "sc-off" : ""}>
                {columns.map(({ title, said, cell }) => <td key={title} data-of={said ? title : undefined}>{cell(one)}</td>)}
                <td>{mayChange(one) && acts(one)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {open && form(open === "new" ? undefined : open, () => { setOpen(undefined); })}
    </>
  );
}
