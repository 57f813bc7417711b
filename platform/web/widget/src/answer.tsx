/** What stands under an answer of the assistant: its sources, folded, and how it was. */

import type { JSX } from "preact";
import { useId } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { book, down, downThumb, up, upThumb } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { Message } from "@deskbell/client";
import { reacted, thumb } from "./deeds.ts";
import type { Talk } from "./talk.ts";
import { extraWords as words } from "./extra-words.ts";
import { sourcesOf } from "./sources.ts";

export const HELPED = "👍";
export const DID_NOT_HELP = "👎";
export function AnswerFoot({ message, talk }: { message: Message; talk: Talk }): JSX.Element | null {
  const open = useSignal(false);
  const id = useId();
  const sources = sourcesOf(message);
  const isAnswer = typeof message.metadata["turn"] === "string";
  if (!isAnswer && sources.length === 0) return null;
  return (
    <>
      {open.value && (
        <ol class="sources" id={id}>
          {sources.map(({ title, href }, at) => (
            <li>
              <span class="n" aria-hidden="true">{at + 1}</span>
              {href === undefined ? <span dir="auto">{title}</span> : <a href={href} target="_blank" rel="noopener noreferrer nofollow" dir="auto">{title}</a>}
            </li>
          ))}
        </ol>
      )}
      <div class="under">
        {sources.length > 0 && (
          <button type="button" class="mini" aria-expanded={open.value} aria-controls={id} onClick={() => { open.value = !open.value; }}>
            <Icon of={book} size={13} /> {words.t("sources", { n: sources.length })} <Icon of={open.value ? up : down} size={13} />
          </button>
        )}
        {isAnswer && <Thumbs message={message} talk={talk} />}
      </div>
    </>
  );
}

function Thumbs({ message, talk }: { message: Message; talk: Talk }): JSX.Element {
  const helped = reacted(talk, message, HELPED);
  const not = reacted(talk, message, DID_NOT_HELP);
  return (
    <>
      <span class="push" role="status">{(helped || not) && words.t("thanked")}</span>
      <button type="button" class="mini" aria-pressed={helped} aria-label={words.t("helped")} onClick={() => void thumb(talk, message, HELPED, DID_NOT_HELP)}>
        <Icon of={upThumb} size={16} />
      </button>
      <button type="button" class="mini" aria-pressed={not} aria-label={words.t("didNotHelp")} onClick={() => void thumb(talk, message, DID_NOT_HELP, HELPED)}>
        <Icon of={downThumb} size={16} />
      </button>
    </>
  );
}
