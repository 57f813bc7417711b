/** The keys of each command: as they come, or of one's own choice. A key that has a command already is said, not taken. */

import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { type Command, commands, keysOf } from "../../commands.ts";
import { keyName } from "../../keys.ts";
import { Caps } from "../../parts/keycaps.tsx";
import { prefer, preferences } from "../../preferences.ts";
import { t } from "../../words.ts";
import { Check } from "../parts/form.tsx";

export function Keys(): JSX.Element {
  const { singleKeys, keys } = preferences.value;
  const offered = [...commands.value.values()].filter((command) => keysOf(command).length > 0 || (command.keys?.length ?? 0) > 0 || !command.silent);
  const groups = [...new Set(offered.map((command) => command.group))];
  return (
    <>
      <Check label={t("screens.keys.single")} value={singleKeys} set={(on) => { prefer({ singleKeys: on }); }} hint={t("screens.keys.single_hint")} />
      {groups.map((group) => (
        <section key={group} aria-label={t(`screens.keys.group_${group}`)}>
          <h2>{t(`screens.keys.group_${group}`)}</h2>
          <table class="sc-table">
            <tbody>
              {offered.filter((command) => command.group === group).map((command) => (
                <KeyRow key={command.id} command={command} all={offered} />
              ))}
            </tbody>
          </table>
        </section>
      ))}
      {Object.keys(keys).length > 0 && (
        <span>
          <button type="button" class="btn" onClick={() => { prefer({ keys: {} }); }}>{t("screens.keys.reset_all")}</button>
        </span>
      )}
    </>
  );
}

function KeyRow({ command, all }: { command: Command; all: Command[] }): JSX.Element {
  const [listening, listen] = useState(false);
  const [taken, setTaken] = useState<{ key: string; by: Command }>();
  const button = useRef<HTMLButtonElement>(null);
  const own = command.id in preferences.value.keys;
  const now = keysOf(command);

  function put(keys: readonly string[] | undefined): void {
    const others = Object.entries(preferences.value.keys).filter(([id]) => id !== command.id);
    prefer({ keys: Object.fromEntries(keys === undefined ? others : [...others, [command.id, keys]]) });
  }

  function pressed(event: KeyboardEvent): void {
    if (!listening) return;
    event.stopPropagation();
    if (event.key === "Tab") {
      listen(false);
      return;
    }
    event.preventDefault();
    if (event.key === "Escape") {
      listen(false);
      return;
    }
    const key = keyName(event);
    if (!key) return;
    listen(false);
    const by = all.find((other) => other.id !== command.id && keysOf(other).includes(key));
    setTaken(by && { key, by });
    if (!by) put([key]);
  }

  return (
    <tr>
      <th scope="row" class="se-name">{t(command.title)}</th>
      <td>
        {listening ? <span role="status" class="se-listen">{t("screens.keys.press")}</span> : now.length ? now.map((key) => <Caps key={key} keys={key} />) : <span class="faint">{t("screens.keys.none")}</span>}
        {taken && <small class="sc-wrong" role="alert"> {t("screens.keys.taken", { key: taken.key, name: t(taken.by.title) })}</small>}
      </td>
      <td>
        <span class="sc-acts">
          {own && <button type="button" class="btn sm quiet" onClick={() => { put(undefined); setTaken(undefined); }}>{t("screens.keys.reset")}</button>}
          {now.length > 0 && <button type="button" class="btn sm quiet" aria-label={t("screens.keys.remove_of", { name: t(command.title) })} onClick={() => { put([]); }}>{t("screens.keys.remove")}</button>}
          <button ref={button} type="button" class="btn sm" aria-label={t("screens.keys.change_of", { name: t(command.title) })} aria-pressed={listening} onClick={() => { setTaken(undefined); listen(!listening); }} onKeyDown={pressed} onBlur={() => { listen(false); }}>
            {t("screens.keys.change")}
          </button>
        </span>
      </td>
    </tr>
  );
}
