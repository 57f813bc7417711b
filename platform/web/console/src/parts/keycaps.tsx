/** The keys of a command, as keycaps. On a touch screen they are not shown. */

import type { JSX } from "preact";
import { commands, keysOf } from "../commands.ts";
import { caps, isSingle } from "../keys.ts";
import { preferences } from "../preferences.ts";
import { t } from "../words.ts";

/** `command`: its id. */
export function Keys({ command }: { command: string }): JSX.Element | null {
  const found = commands.value.get(command);
  const keys = found && keysOf(found)[0];
  if (!keys || (isSingle(keys) && !preferences.value.singleKeys)) return null;
  return <Caps keys={keys} />;
}

/** The keys of a command in one line, for a tooltip or the end of a menu's line. */
export function keyLine(command: string): string | undefined {
  const found = commands.value.get(command);
  const keys = found && keysOf(found)[0];
  return keys && !(isSingle(keys) && !preferences.value.singleKeys) ? caps(keys).join(" ") : undefined;
}

export function Caps({ keys }: { keys: string }): JSX.Element {
  const parts = caps(keys);
  return (
    <span class="keys">
      {parts.map((part, at) => (
        <>
          {at > 0 && <span class="faint"> {t("keys.then")} </span>}
          <kbd dir="ltr">{part}</kbd>
        </>
      ))}
    </span>
  );
}
