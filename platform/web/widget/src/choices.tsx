/** Quick replies under the last answer: a press sends the words. They go as soon as something newer is said. */

import type { JSX } from "preact";
import { check } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { Message } from "@deskbell/client";
import type { Row } from "@deskbell/ui/timeline.ts";
import { choose } from "./deeds.ts";
import { extraWords } from "./extra-words.ts";
import type { Talk } from "./talk.ts";

const MOST = 9;
const LONGEST = 200;

export function choicesOf({ metadata, deleted }: Message): string[] {
  const found = metadata["choices"];
  if (!Array.isArray(found) || deleted) return [];
  const words = found.filter((one): one is string => typeof one === "string" && one.trim() !== "").map((one) => one.slice(0, LONGEST));
  return [...new Set(words)].slice(0, MOST);
}

export function Choices({ talk }: { talk: Talk }): JSX.Element | null {
  const { session } = talk;
  const last = talk.rows.value.findLast((row): row is Exclude<Row, { is: "day" | "new" }> => row.is !== "day" && row.is !== "new");
  const owner = session.owner.value;
  const taken = talk.chosen.value;
  // While the one that was taken is on its way, it is still to be seen which.
  const message = last?.is === "message" ? last.message : taken && last?.is === "unsent" ? session.view.value?.messages.get(taken.message) : undefined;
  if (!message || owner === "closed" || owner === "person") return null;
  const choices = choicesOf(message);
  if (choices.length === 0) return null;
  const chosen = taken?.message === message.id ? taken.choice : undefined;
  return (
    <div class="chips" role="group" aria-label={extraWords.t("quickReplies")}>
      {choices.map((choice) => (
        <button
          type="button"
          key={choice}
          class={choice === chosen ? "chip on" : "chip"}
          aria-pressed={chosen === undefined ? undefined : choice === chosen}
          disabled={chosen !== undefined && choice !== chosen}
          onClick={() => {
            if (chosen === undefined) void choose(talk, message, choice).catch(() => undefined);
          }}
        >
          {choice === chosen && <Icon of={check} size={13} />}
          <span dir="auto">{choice}</span>
        </button>
      ))}
    </div>
  );
}
