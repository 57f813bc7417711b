/** All keys on one sheet, as they are now. */

import { x } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { JSX } from "preact";
import { commands, type Group, keysOf } from "./commands.ts";
import { Caps } from "./parts/keycaps.tsx";
import { Dialog } from "./parts/dialog.tsx";
import { go } from "./route.ts";
import { t } from "./words.ts";

const GROUPS: readonly Group[] = ["case", "conversation", "list", "go", "window"];

export function Shortcuts({ onClose }: { onClose: () => void }): JSX.Element {
  const all = [...commands.value.values()];
  return (
    <Dialog label={t("shortcuts.title")} kind="large" onClose={onClose}>
      <header>
        <h2>{t("shortcuts.title")}</h2>
        <button type="button" class="btn quiet sm" onClick={() => { onClose(); go({ screen: "settings", tab: "keys" }); }}>
          {t("shortcuts.change")}
        </button>
        <button type="button" class="ib" aria-label={t("app.close")} onClick={onClose}>
          <Icon of={x} size={16} />
        </button>
      </header>
      <div class="sheet-keys" role="region" aria-label={t("shortcuts.title")} tabIndex={0}>
        {GROUPS.map((group) => {
          const keyed = all.filter((command) => command.group === group && keysOf(command).length > 0);
          if (keyed.length === 0) return null;
          return (
            <section key={group}>
              <h3>{t(`shortcuts.${group}`)}</h3>
              <dl>
                {keyed.map((command) => (
                  <>
                    <dt>{t(command.title)}</dt>
                    <dd class="keys">
                      {keysOf(command).map((keys, at) => (
                        <>
                          {at > 0 && <span class="faint">{t("keys.or")}</span>}
                          <Caps keys={keys} key={keys} />
                        </>
                      ))}
                    </dd>
                  </>
                ))}
              </dl>
            </section>
          );
        })}
      </div>
    </Dialog>
  );
}
