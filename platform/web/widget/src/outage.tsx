/** What is said of a connection that does not stand. */

import type { JSX } from "preact";
import { useSignal, useSignalEffect } from "@preact/signals";
import { useRef } from "preact/hooks";
import { check, retry, warn } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import "./parts.ts";
import styles from "./outage.css?inline";
import { adopt } from "./sheets.ts";
import type { Widget } from "./widget.ts";

adopt(styles);

export { teach } from "./opened-words.ts";

const BACK_MS = 2000;

export function Outage({ widget }: { widget: Widget }): JSX.Element | null {
  const { texts } = widget;
  const session = widget.session.value;
  const online = session.online.value;
  const back = useSignal(false);
  const wasLost = useRef(false);
  useSignalEffect(() => {
    const now = widget.session.value.online.value;
    if (now === "reconnecting" || now === "offline") wasLost.current = true;
    if (now !== "live" || !wasLost.current) return undefined;
    wasLost.current = false;
    back.value = true;
    const timer = setTimeout(() => {
      back.value = false;
    }, BACK_MS);
    return () => {
      clearTimeout(timer);
      back.value = false;
    };
  });
  if (session.over.value) {
    return (
      <div class="strip">
        <Icon of={warn} size={16} />
        <span>{texts.t("over")}</span>
        <button type="button" class="link" onClick={() => { widget.again(); }}>{texts.t("connectAgain")}</button>
      </div>
    );
  }
  if (online === "reconnecting") {
    return (
      <div class="strip">
        <span class="turning"><Icon of={retry} size={16} /></span>
        <span>{texts.t("reconnecting")} <span class="muted">– {texts.t("kept")}</span></span>
        <button type="button" class="link" onClick={() => { session.tryNow(); }}>{texts.t("tryNow")}</button>
      </div>
    );
  }
  if (online === "offline") {
    return (
      <div class="strip">
        <Icon of={warn} size={16} />
        <span>{texts.t("offline")} <span class="muted">– {texts.t("sentLater")}</span></span>
      </div>
    );
  }
  if (back.value) return <div class="strip"><Icon of={check} size={16} /><span>{texts.t("backOnline")}</span></div>;
  return null;
}
