/** Back to the end, with how much has come there meanwhile. */

import type { JSX } from "preact";
import { down } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { VirtualList } from "@deskbell/ui/virtual.tsx";
import { extraWords as words } from "./extra-words.ts";
import type { Talk } from "./talk.ts";

export function ToLatest({ talk, list }: { talk: Talk; list: VirtualList }): JSX.Element {
  const followed = talk.attention.followed.value;
  const n = talk.rows.value.filter((row) => row.is === "message" && !row.mine && row.message.kind !== "system" && row.message.seq > followed).length;
  return (
    <button
      type="button"
      class="to-latest"
      onClick={() => {
        list.toEnd();
        list.element?.focus({ preventScroll: true });
      }}
    >
      <Icon of={down} size={16} />
      {n > 0 ? words.t("newMessages", { n }) : <span class="unseen">{words.t("toLatest")}</span>}
    </button>
  );
}
