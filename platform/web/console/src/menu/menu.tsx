/**
 * The command menu: any action on the conversation that is shown, any conversation, person or screen, by a few
 * letters. The field keeps the focus; arrows choose, Enter runs.
 */

import { isComposing } from "@deskbell/ui/composing.ts";
import { chat, search } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { fieldDir } from "@deskbell/ui/texts.ts";
import { nameOf } from "../list/row.tsx";
import { rowOf } from "../lists.ts";
import { Dialog } from "../parts/dialog.tsx";
import { Keys } from "../parts/keycaps.tsx";
import { OwnerChip, ownerOf } from "../parts/marks.tsx";
import { useDesk } from "../use-desk.ts";
import { t } from "../words.ts";
import { type Entry, entriesOf, type Page } from "./entries.ts";

interface MenuProps {
  page?: Exclude<Page, "note">;
  cases?: string[];
  query?: string;
  onClose: () => void;
}

export function CommandMenu({ page, cases: meant, query: first = "", onClose }: MenuProps): JSX.Element {
  const desk = useDesk();
  const [query, setQuery] = useState(first);
  const [at, setAt] = useState(0);
  const [target, setTarget] = useState<{ agent: string } | { team: string } | undefined>(undefined);
  const list = useRef<HTMLDivElement>(null);

  const room = desk.selected.value;
  const shown = room === undefined ? undefined : desk.caseOf(room);
  const cases = (meant?.length ? meant : shown ? [shown.id] : []).flatMap((id) => desk.cases.value.get(id) ?? []);
  const [one] = cases;
  const entries = entriesOf(desk, page, cases, query, setTarget);
  const chosen = Math.min(at, entries.length - 1);
  useEffect(() => {
    list.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }, [chosen]);

  if (target && one) {
    const to = "agent" in target ? desk.agents.value.find(({ user }) => user.id === target.agent)?.user.name : desk.teams.value.find(({ slug }) => slug === target.team)?.name;
    return <TransferNote subject={nameOf(rowOf(one))} to={to ?? ""} onClose={onClose} onSend={(note) => { onClose(); void desk.act.transfer(one, target, note); }} />;
  }

  const choose = (entry: Entry | undefined): void => {
    if (!entry) return;
    if (!entry.stays) onClose();
    entry.run();
  };
  const key = (event: KeyboardEvent): void => {
    const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (by) setAt((chosen + by + entries.length) % Math.max(1, entries.length));
    else if (event.key === "Enter" && !isComposing(event)) choose(entries[chosen]);
    else return;
    event.preventDefault();
  };
  const subject = cases.length > 1 ? t("bulk.picked", { n: cases.length }) : one ? nameOf(rowOf(one)) : undefined;
  const label = page === undefined ? t("menu.title") : t(`menu.page.${page}`);

  return (
    <Dialog label={label} kind="menu" onClose={onClose}>
      {subject !== undefined && (
        <div class="ctxt">
          <span dir="auto">
            <Icon of={chat} size={13} /> {subject}
          </span>
        </div>
      )}
      <div class="inp">
        <Icon of={search} />
        <input
          role="combobox"
          aria-expanded="true"
          aria-controls="menu-found"
          aria-activedescendant={entries[chosen] ? `menu-${chosen}` : undefined}
          aria-label={label}
          placeholder={page === undefined ? t("menu.ask") : label}
          value={query}
          dir={fieldDir(query)}
          onInput={(event) => {
            setQuery(event.currentTarget.value);
            setAt(0);
          }}
          onKeyDown={key}
        />
        <kbd>Esc</kbd>
      </div>
      <div class="found" id="menu-found" role="listbox" aria-label={label} ref={list}>
        {entries.length === 0 && <p class="none">{query ? t("menu.none", { q: query }) : t("menu.nothing")}</p>}
        {entries.map((entry, index) => (
          <>
            {entry.group !== entries[index - 1]?.group && (
              <h3 role="presentation" key={entry.group}>
                {t(entry.group)}
              </h3>
            )}
            <div
              role="option"
              id={`menu-${index}`}
              key={entry.group + entry.id}
              aria-selected={index === chosen}
              onPointerMove={() => {
                setAt(index);
              }}
              onClick={() => {
                choose(entry);
              }}
            >
              <Icon of={entry.icon} />
              <span class="cut" dir="auto">
                <Marked text={entry.title} marks={entry.marks} />
                {entry.small && <small>{entry.small}</small>}
              </span>
              <span class="end">
                {entry.checked && <span>✓</span>}
                {entry.owner && <OwnerChip of={ownerOf(rowOf(entry.owner))} />}
                {entry.command !== undefined && <Keys command={entry.command} />}
              </span>
            </div>
          </>
        ))}
      </div>
      <footer aria-hidden="true">
        <span>
          <kbd>↑</kbd>
          <kbd>↓</kbd> {t("menu.choose")}
        </span>
        <span>
          <kbd>↵</kbd> {t("menu.run")}
        </span>
      </footer>
    </Dialog>
  );
}

function Marked({ text, marks }: { text: string; marks: readonly [number, number][] }): JSX.Element {
  const parts: (string | JSX.Element)[] = [];
  let from = 0;
  for (const [start, end] of marks) {
    parts.push(text.slice(from, start), <mark key={start}>{text.slice(start, end)}</mark>);
    from = end;
  }
  return (
    <>
      {parts}
      {text.slice(from)}
    </>
  );
}

/** What whoever gets it should know; only colleagues see it. */
function TransferNote({ subject, to, onClose, onSend }: { subject: string; to: string; onClose: () => void; onSend: (note: string) => void }): JSX.Element {
  const [note, setNote] = useState("");
  return (
    <Dialog label={t("menu.page.transfer")} kind="menu small" onClose={onClose}>
      <div class="ctxt">
        <span dir="auto">
          <Icon of={chat} size={13} /> {subject}
        </span>
      </div>
      <h2 class="to">{t("menu.page.transfer")} <bdi>{to}</bdi></h2>
      <textarea
        class="field"
        aria-label={t("transfer.note")}
        placeholder={t("transfer.note")}
        value={note}
        dir={fieldDir(note)}
        onInput={(event) => { setNote(event.currentTarget.value); }}
        onKeyDown={(event) => {
          if (event.key === "Enter" && !isComposing(event) && (event.ctrlKey || event.metaKey)) onSend(note.trim());
        }}
      />
      <div class="doing">
        <button type="button" class="btn" onClick={onClose}>
          {t("app.cancel")}
        </button>
        <button type="button" class="btn ink" onClick={() => { onSend(note.trim()); }}>
          {t("transfer.go")}
        </button>
      </div>
    </Dialog>
  );
}
