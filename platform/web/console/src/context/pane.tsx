/**
 * What is known beside a conversation: the person, the case, earlier conversations; and how messages came to be what
 * they are. It is asked for apart from the thread, so that neither waits for the other.
 */

import { gear, side } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { toggleContext } from "../panes.ts";
import { Tabs } from "../screens/parts/tabs.tsx";
import { useDesk } from "../use-desk.ts";
import { t } from "../words.ts";
import { readArrangement } from "./arrangement.ts";
import { Details } from "./details.tsx";
import { Trace } from "./trace.tsx";
import "./context.css";

export function Pane({ room }: { room: string }): JSX.Element {
  const desk = useDesk();
  const [tab, show] = useState<"details" | "trace">("details");
  const [arranging, setArranging] = useState(false);
  const me = desk.me.value.user.id;
  useEffect(() => {
    readArrangement(me);
  }, [me]);
  return (
    <div class="ctx">
      <Tabs
        label={t("screens.context.title")}
        tabs={[
          ["details", t("screens.context.details")],
          ["trace", t("screens.context.trace")],
        ]}
        chosen={tab}
        choose={show}
        end={
          <span class="cx-tools">
            {tab === "details" && (
              <button type="button" class="ib" aria-pressed={arranging} aria-label={t("screens.context.arrange")} title={t("screens.context.arrange")} onClick={() => { setArranging(!arranging); }}>
                <Icon of={gear} size={16} />
              </button>
            )}
            <button type="button" class="ib" aria-label={t("screens.context.hide")} title={t("screens.context.hide")} onClick={toggleContext}>
              <Icon of={side} />
            </button>
          </span>
        }
      >
        {tab === "details" ? <Details key={room} room={room} arranging={arranging} /> : <Trace key={room} room={room} />}
      </Tabs>
    </div>
  );
}
