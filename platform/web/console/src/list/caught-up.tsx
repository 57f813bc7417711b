/** Beside the list when no conversation is open: who waits, and the one button that takes the next of them. */

import { bell } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { JSX } from "preact";
import { run } from "../commands.ts";
import { needsUs } from "../lists.ts";
import { Keys } from "../parts/keycaps.tsx";
import type { ListName } from "../records.ts";
import { spoken } from "../timers.ts";
import { useDesk } from "../use-desk.ts";
import { t } from "../words.ts";

export function CaughtUp({ list }: { list: ListName }): JSX.Element | null {
  const desk = useDesk();
  if (desk.loading.value === "loading" && !desk.store.complete.value) return null;
  const waiting = desk.lists("queue").value;
  const since = waiting.map((row) => row.case?.waiting_since ?? row.opened_at ?? "").sort()[0];
  const mine = desk.lists("mine").value.filter((row) => row.case && needsUs(row.case)).length;
  const counted = mine === 0 && waiting.length > 0 && list === "queue";
  const title = mine > 0 ? t("caught.mine", { n: mine }) : counted ? t("caught.queue", { n: waiting.length }) : t("caught.title");
  return (
    <div class="caught">
      <Icon of={bell} size={64} />
      <h2>{title}</h2>
      <p>
        {waiting.length === 0 ? t("caught.nobody") : `${counted ? "" : t("caught.waiting", { n: waiting.length })} ${since ? t("caught.longest", { span: spoken(desk.minute.value - Date.parse(since)) }) : ""}`}
      </p>
      {waiting.length > 0 && (
        <button type="button" class="btn bell lg" onClick={() => run("case.take")}>
          {t("caught.take")} {mine === 0 && <Keys command="case.next" />}
        </button>
      )}
    </div>
  );
}
