/** How it went: five faces with words, why, and a word more. All of it may be skipped. */

import type { JSX } from "preact";
import { useSignal } from "@preact/signals";
import { check, face1, face2, face3, face4, face5 } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { asError } from "@deskbell/client";
import "./parts.ts";
import { fieldDir } from "@deskbell/ui/texts.ts";
import styles from "./rating.css?inline";
import type { Session } from "./session.ts";
import { adopt } from "./sheets.ts";

adopt(styles);

const FACES = [[face1, "bad"], [face2, "poor"], [face3, "okay"], [face4, "good"], [face5, "great"]] as const;
const REASONS = ["solvedIt", "quick", "understood", "hadToWait", "notSolved"] as const;

export interface RatingProps {
  session: Session;
  name: string | undefined;
  /** It was sent, or skipped. */
  done: (sent: boolean) => void;
}

export function Rating({ session, name, done }: RatingProps): JSX.Element {
  const { texts } = session;
  const score = useSignal(0);
  const reasons = useSignal<readonly (typeof REASONS)[number][]>([]);
  const comment = useSignal("");
  const busy = useSignal(false);
  const problem = useSignal<string | undefined>(undefined);
  const send = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (busy.value || score.value === 0) return;
    busy.value = true;
    try {
      const why = REASONS.filter((reason) => reasons.value.includes(reason)).map((reason) => texts.t(reason));
      const said = [why.join(", "), comment.value.trim()].filter(Boolean).join(". ");
      await session.client.rest("POST", `/rooms/${session.room.value ?? ""}/rating`, { rating: score.value, comment: said });
      done(true);
    } catch (thrown) {
      problem.value = asError(thrown).message;
      busy.value = false;
    }
  };
  return (
    <form class="card rating" onSubmit={(event) => void send(event)}>
      <h3 id="rating-title">{name === undefined ? texts.t("howDidItGo") : texts.t("howDidItGoWith", { name })}</h3>
      <div class="scale" role="radiogroup" aria-labelledby="rating-title">
        {FACES.map(([face, word], at) => (
          <label key={word} class="face">
            <input type="radio" name="rating" value={at + 1} checked={score.value === at + 1} data-focus={at === 0 || undefined} onChange={() => { score.value = at + 1; }} />
            <span><Icon of={face} />{texts.t(word)}</span>
          </label>
        ))}
      </div>
      {score.value > 0 && (
        <>
          <div class="tags" role="group" aria-label={texts.t("reasons")}>
            {REASONS.map((reason) => {
              const on = reasons.value.includes(reason);
              return (
                <button
                  key={reason}
                  type="button"
                  class={on ? "chip on" : "chip"}
                  aria-pressed={on}
                  onClick={() => { reasons.value = on ? reasons.value.filter((one) => one !== reason) : [...reasons.value, reason]; }}
                >
                  {on && <Icon of={check} size={13} />}
                  {texts.t(reason)}
                </button>
              );
            })}
          </div>
          <textarea
            class="in"
            dir={fieldDir(comment.value)}
            rows={1}
            maxLength={1000}
            aria-label={texts.t("anythingToAdd")}
            placeholder={texts.t("anythingToAdd")}
            value={comment.value}
            onInput={(event) => { comment.value = event.currentTarget.value; }}
          />
        </>
      )}
      <p class="error" role="alert">{problem.value}</p>
      <div class="btns two">
        <button type="button" class="btn quiet" onClick={() => { done(false); }}>{texts.t("skip")}</button>
        <button class="btn ink" disabled={score.value === 0} aria-busy={busy.value}>{texts.t("sendRating")}</button>
      </div>
    </form>
  );
}
