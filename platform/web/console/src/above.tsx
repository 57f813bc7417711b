/** Draws what lies above the frame, and what has just been said. */

import "./above.css";
import { x } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { JSX } from "preact";
import { CommandMenu } from "./menu/menu.tsx";
import { hide, overlay } from "./overlays.ts";
import { sayings, unsay } from "./sayings.ts";
import { Shortcuts } from "./shortcuts.tsx";
import { Snooze } from "./snooze.tsx";
import { t } from "./words.ts";

export function Overlays(): JSX.Element {
  const now = overlay.value;
  return (
    <>
      {now?.kind === "menu" && <CommandMenu {...now} onClose={hide} key={now.page} />}
      {now?.kind === "snooze" && <Snooze cases={now.cases ?? []} onClose={hide} />}
      {now?.kind === "shortcuts" && <Shortcuts onClose={hide} />}
      <div class="sayings" role="status" aria-live="polite">
        {sayings.value.map(({ id, text, bad, action }) => (
          <div class={bad ? "saying bad" : "saying"} key={id}>
            <span dir="auto">{text}</span>
            {action && (
              <button
                type="button"
                class="link"
                onClick={() => {
                  unsay(id);
                  action.run();
                }}
              >
                {action.title}
              </button>
            )}
            <button type="button" class="ib" aria-label={t("app.close")} onClick={() => { unsay(id); }}>
              <Icon of={x} size={16} />
            </button>
          </div>
        ))}
      </div>
    </>
  );
}
