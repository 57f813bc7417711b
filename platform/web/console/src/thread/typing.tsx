/** Who writes at this moment, below the last message. */

import type { JSX } from "preact";
import { t } from "../words.ts";
import type { Talk } from "./talk.ts";

export function Typing({ talk }: { talk: Talk }): JSX.Element {
  const { conversation, desk } = talk;
  const names = conversation.typing.value.flatMap((user) => conversation.people.value.get(user)?.name ?? desk.nameOf(user) ?? []);
  return (
    <p class="wr" role="status">
      {names.length > 0 && (
        <>
          <span class="dots" aria-hidden="true"><i /><i /><i /></span>
          <span dir="auto">{t("thread.types", { n: names.length, names: names.slice(0, 3).join(", ") })}</span>
        </>
      )}
    </p>
  );
}
