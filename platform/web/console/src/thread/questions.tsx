/** What is asked before something is done, and what is shown on request: one dialog at a time. */

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Message } from "@deskbell/client";
import { plain } from "@deskbell/ui/markup.ts";
import { Rich } from "@deskbell/ui/rich.tsx";
import { fieldDir } from "@deskbell/ui/texts.ts";
import { moment } from "@deskbell/ui/times.ts";
import { type Key, t, texts } from "../words.ts";
import { Question } from "../parts/dialog.tsx";
import type { Talk } from "./talk.ts";
import { Trace } from "./trace.tsx";

const REASONS = ["spam", "abuse", "personal", "other"] as const;

export function Questions({ talk }: { talk: Talk }): JSX.Element | null {
  const asking = talk.asking.value;
  const close = (): void => {
    talk.asking.value = undefined;
  };
  switch (asking?.kind) {
    case "delete":
      return (
        <Question title={t("thread.delete.title")} yes={t("thread.delete")} bad onYes={() => void talk.remove(asking.message)} onClose={close}>
          <p>{t("thread.delete.means")}</p>
          <blockquote dir="auto">{plain(asking.message.content).slice(0, 300)}</blockquote>
        </Question>
      );
    case "report":
      return <Report talk={talk} message={asking.message} onClose={close} />;
    case "trace":
      return <Trace talk={talk} message={asking.message} onClose={close} />;
    case "revisions":
      return <Revisions talk={talk} message={asking.message} onClose={close} />;
    case "date":
      return <ToDate talk={talk} onClose={close} />;
    case "pins":
      return <Pins talk={talk} onClose={close} />;
    case undefined:
      return null;
  }
}

interface OfMessage {
  talk: Talk;
  message: Message;
  onClose: () => void;
}

function Report({ talk, message, onClose }: OfMessage): JSX.Element {
  const [reason, setReason] = useState<string>("");
  const [comment, setComment] = useState("");
  return (
    <Question title={t("thread.report.title")} yes={t("thread.report")} ready={reason !== ""} onYes={() => void talk.report(message, reason, comment)} onClose={onClose}>
      <fieldset>
        <legend>{t("thread.report.why")}</legend>
        {REASONS.map((name) => (
          <label key={name}>
            <input type="radio" name="reason" checked={reason === name} onChange={() => { setReason(name); }} /> {t(`thread.report.${name}` satisfies Key)}
          </label>
        ))}
      </fieldset>
      <label>
        {t("thread.report.comment")}
        <textarea class="field" rows={2} maxLength={500} dir={fieldDir(comment)} value={comment} onInput={(event) => { setComment(event.currentTarget.value); }} />
      </label>
    </Question>
  );
}

function ToDate({ talk, onClose }: { talk: Talk; onClose: () => void }): JSX.Element {
  const [date, setDate] = useState("");
  const go = (): void => {
    void talk.conversation.goToMoment(new Date(`${date}T00:00:00`)).catch(() => undefined);
  };
  return (
    <Question title={t("thread.to-date")} yes={t("thread.go")} ready={date !== ""} onYes={go} onClose={onClose}>
      <label>
        {t("thread.date")}
        <input class="field" type="date" max={new Date().toISOString().slice(0, 10)} value={date} onInput={(event) => { setDate(event.currentTarget.value); }} />
      </label>
    </Question>
  );
}

interface Revision {
  content: string;
  edited_at: string;
}

function Revisions({ talk, message, onClose }: OfMessage): JSX.Element {
  const found: { items?: Revision[] } | undefined = useFound(talk, `/messages/${message.id}/revisions`);
  return (
    <Question title={t("thread.revisions")} onClose={onClose}>
      <ol class="revisions">
        {(found?.items ?? []).map((one, at) => (
          <li key={at}>
            <span class="faint">{t("thread.until", { at: moment(one.edited_at, texts.language.value) })}</span>
            <Rich text={one.content} />
          </li>
        ))}
        <li>
          <span class="faint">{t("thread.now")}</span>
          <Rich text={message.content} />
        </li>
      </ol>
    </Question>
  );
}

function Pins({ talk, onClose }: { talk: Talk; onClose: () => void }): JSX.Element {
  const found: { items?: Message[] } | undefined = useFound(talk, `/rooms/${talk.room}/pins`);
  const items = found?.items;
  return (
    <Question title={t("thread.pins")} onClose={onClose}>
      {items?.length === 0 && <p class="muted">{t("thread.pins.none")}</p>}
      <ul class="pins">
        {items?.map((message) => (
          <li key={message.id}>
            <button type="button" onClick={() => { onClose(); void talk.lead(message.id); }}>
              <b dir="auto">{message.sender.name}</b>
              <span dir="auto" class="cut">{plain(message.content)}</span>
            </button>
          </li>
        ))}
      </ul>
    </Question>
  );
}

/** What the server says there is; nothing while it is on its way, or where it says no. */
export function useFound(talk: Talk, path: string): Record<string, unknown> | undefined {
  const [found, setFound] = useState<Record<string, unknown>>();
  useEffect(() => {
    let gone = false;
    talk.desk.rest("GET", path).then(
      (answer) => {
        if (!gone) setFound(answer as Record<string, unknown>);
      },
      () => {
        if (!gone) setFound({});
      },
    );
    return () => {
      gone = true;
    };
  }, [path]);
  return found;
}
