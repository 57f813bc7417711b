/** Who is writing at this moment. */

import type { JSX } from "preact";
import { eachSecond } from "@deskbell/ui/spans.ts";
import { By } from "./message.tsx";
import { extraWords } from "./extra-words.ts";
import type { Talk } from "./talk.ts";

export function Typing({ talk }: { talk: Talk }): JSX.Element | null {
  const { session } = talk;
  if (talk.writers().length === 0 || talk.writing().size > 0) return null;
  // It ends by itself.
  const writers = eachSecond.value > 0 ? talk.writers() : [];
  return (
    <>
      {writers.slice(0, 2).map((user) => {
        const who = session.participant(user)?.user;
        const voice = who?.kind === "bot" ? "bot" : "human";
        const name = who?.name ?? "";
        return (
          <div class={`msg ${voice} first`} key={user}>
            {voice === "human" && name !== "" && <By voice={voice} name={name} avatar={who?.avatar ?? null} desk={session.desk} />}
            <div class="bubble typing" role="img" aria-label={extraWords.t("isWriting", { name })}>
              <i /><i /><i />
            </div>
          </div>
        );
      })}
    </>
  );
}
