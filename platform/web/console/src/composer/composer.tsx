/**
 * Where one writes: a reply that the visitor gets, or a note that only colleagues see. Nothing typed is lost: it is
 * saved as a draft, kept when it is refused, and sent once when the line is back.
 */

import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { PublicUser } from "@deskbell/client";
import { isComposing } from "@deskbell/ui/composing.ts";
import * as draw from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { fieldDir } from "@deskbell/ui/texts.ts";
import { preferences, prefer } from "../preferences.ts";
import { show } from "../overlays.ts";
import { keyLine } from "../parts/keycaps.tsx";
import { Emojis, Menu } from "../parts/menu.tsx";
import { Popover } from "../parts/popover.tsx";
import { useDesk } from "../use-desk.ts";
import { t } from "../words.ts";
import type { Talk } from "../thread/talk.ts";
import { Banner } from "./banner.tsx";
import { Draft } from "./draft.ts";
import { EMOJI } from "./emoji.ts";
import { type After, offerWriting, type Standing } from "./keys.ts";
import { charactersLeft } from "./length.ts";
import { Guard, Limit, Quoted, State, Tabs } from "./parts.tsx";
import { sendNote, sendReply, sends, stale } from "./sending.ts";
import { useSuggestions } from "./suggestions.tsx";
import { TypingSaid } from "./typing-said.ts";

const MAX_ROWS_PX = 260;

export function Composer({ talk }: { talk: Talk }): JSX.Element {
  const desk = useDesk();
  const { conversation } = talk;
  const field = useRef<HTMLTextAreaElement>(null);
  const drafts = useDrafts(talk);
  const wanted = useRef(false);
  const said = useMemo(() => new TypingSaid(desk.client, conversation.id), [conversation]);
  const [guarded, setGuarded] = useState<{ after: After; who: PublicUser } | undefined>(undefined);
  const [open, setOpen] = useState(false);
  const mayReply = talk.mayReply.value;
  const tab = mayReply ? talk.tab.value : "note";
  const note = tab === "note";
  const draft = drafts[tab];
  const text = draft.text.value;
  const visitor = conversation.visitor.value?.name ?? "";
  const colleagues = desk.agents.value.map((agent) => agent.user);
  const suggestions = useSuggestions({ talk, field, tab, text, write: (next) => { draft.write(next); } });
  const folded = !mayReply && !open && text === "" && !talk.replyTo.value;

  useEffect(() => {
    const element = field.current;
    if (!element) return;
    element.style.height = "auto";
    element.style.height = `${Math.min(element.scrollHeight, MAX_ROWS_PX)}px`;
  }, [text, tab, folded]);
  useLayoutEffect(() => {
    if (talk.focus.value === 0) return;
    setOpen(true);
    wanted.current = true;
  }, [talk.focus.value]);
  useLayoutEffect(() => {
    if (!wanted.current || !field.current) return;
    wanted.current = false;
    field.current.focus();
  });
  useEffect(() => {
    const back = talk.back.value;
    if (!back) return;
    talk.back.value = undefined;
    const of = drafts[back.tab];
    of.write(of.text.value ? `${of.text.value}\n${back.text}` : back.text);
  }, [talk.back.value]);
  // Before the next key press is heard: one that sends right after this text would have its guard taken away again.
  useLayoutEffect(() => { setGuarded(undefined); }, [tab, text]);

  const tooLong = (charactersLeft(text) ?? 0) < 0;
  const ready = text.trim() !== "" && !tooLong;

  const send = async (after: After = "stay", anyway = false): Promise<void> => {
    if (!ready) return;
    const who = note || anyway ? undefined : stale(conversation, draft.begun);
    if (who) {
      setGuarded({ after, who });
      return;
    }
    setGuarded(undefined);
    said.stop();
    const replyTo = talk.replyTo.value;
    talk.replyTo.value = undefined;
    talk.unreadKept = false;
    desk.drafted(conversation.id, tab, false);
    const { text: content, begun, kept } = await draft.over();
    conversation.newest().catch(() => undefined);
    const went = note
      ? sendNote(conversation, { text: content, replyTo, people: colleagues, draft: kept })
      : sendReply(conversation, { text: content, replyTo, begun: anyway ? undefined : begun, draft: kept });
    field.current?.focus();
    if (after === "stay") return;
    if (!(await went)) return;
    const row = conversation.case.value;
    if (after === "resolve") await talk.resolve();
    else if (row) show({ kind: "snooze", cases: [row.id] });
  };

  const standing: Standing = { ready: ready && !note, empty: () => text === "" && document.activeElement === field.current, send };
  const latest = useRef(standing);
  latest.current = standing;
  useEffect(() => offerWriting(talk, () => latest.current), [talk]);

  const keys = (event: KeyboardEvent): void => {
    if (suggestions.key(event)) return;
    if (sends(event, preferences.value.sendKey)) {
      event.preventDefault();
      void send();
    } else if (event.key === "Escape" && !isComposing(event)) {
      if (guarded) setGuarded(undefined);
      else if (talk.replyTo.value) talk.replyTo.value = undefined;
      else {
        setOpen(false);
        return; // the frame leads back to the list
      }
      event.preventDefault();
      event.stopPropagation();
    }
  };

  if (folded) {
    return (
      <>
        <Banner talk={talk} />
        {conversation.back.value !== undefined && (
          <button type="button" class="comp mini note-mode" onClick={() => { talk.write("note"); }}>
            <Icon of={draw.lock} size={16} />
            <span class="ph">{t("thread.note.ask")}</span>
            <small>{notYours(talk)}</small>
          </button>
        )}
      </>
    );
  }
  return (
    <>
      <Banner talk={talk} />
      <section class={note ? "comp note-mode" : "comp"} aria-label={t("thread.composer")}>
        <Tabs talk={talk} tab={tab} mayReply={mayReply} why={notYours(talk)}>
          {note ? <span class="hint"><Icon of={draw.lock} size={13} />{t("thread.note.seen-by")}</span> : <State talk={talk} draft={draft} />}
        </Tabs>
        <Quoted talk={talk} />
        {guarded && <Guard name={guarded.who.name} onAnyway={() => void send(guarded.after, true)} onBack={() => { draft.seenAll(); setGuarded(undefined); field.current?.focus(); }} />}
        <div class="txt">
          {suggestions.list}
          <textarea
            ref={field}
            rows={note ? 2 : 3}
            dir={fieldDir(text)}
            aria-label={t(note ? "thread.note.field" : "thread.reply.field")}
            placeholder={t(note ? "thread.note.placeholder" : "thread.reply.placeholder", { name: visitor })}
            value={text}
            {...suggestions.field}
            onInput={(event) => {
              draft.write(event.currentTarget.value);
              desk.drafted(conversation.id, tab, event.currentTarget.value.trim() !== "");
              if (!note) said.typed(event.currentTarget.value !== "");
              suggestions.look();
            }}
            onKeyDown={keys}
            onKeyUp={suggestions.look}
            onClick={suggestions.look}
            onBlur={() => { said.stop(); suggestions.close(); }}
          />
        </div>
        <footer class="ft">
          <Popover label={t("thread.emoji")} class="ib" button={<Icon of={draw.smile} />}>
            {(close) => <Emojis all={EMOJI} onChoose={(emoji) => { close(); suggestions.insert(emoji); }} />}
          </Popover>
          {note && (
            <button type="button" class="ib" aria-label={t("thread.mention")} title={t("thread.mention")} onClick={() => { suggestions.begin("@"); }}>
              <Icon of={draw.at} />
            </button>
          )}
          <button type="button" class="ib" aria-label={t("thread.snippets")} title={t("thread.snippets")} onClick={() => { suggestions.begin("/"); }}>
            <Icon of={draw.slash} />
          </button>
          <span class="push" />
          <Limit text={text} />
          {note ? (
            <button type="button" class="btn ink" disabled={!ready} onClick={() => void send()}>
              <Icon of={draw.lock} size={16} /> {t("thread.note.add")}
            </button>
          ) : (
            <span class={ready ? "split" : "split idle"}>
              <button type="button" class="btn ink" disabled={!ready} onClick={() => void send()}>{t("thread.send")}</button>
              <Menu
                label={t("thread.send.more")}
                class="btn ink"
                items={[
                  { title: t("thread.send.resolve"), icon: draw.check, keys: keyLine("thread.send-resolve"), disabled: !ready || !conversation.case.value, run: () => void send("resolve") },
                  { title: t("thread.send.snooze"), icon: draw.moon, keys: keyLine("thread.send-snooze"), disabled: !ready || !conversation.case.value, run: () => void send("snooze") },
                  undefined,
                  {
                    title: t(preferences.value.sendKey === "enter" ? "thread.key.mod" : "thread.key.enter"),
                    icon: draw.gear,
                    run: () => { prefer({ sendKey: preferences.value.sendKey === "enter" ? "mod+enter" : "enter" }); },
                  },
                ]}
              >
                <Icon of={draw.down} size={13} />
              </Menu>
            </span>
          )}
        </footer>
      </section>
    </>
  );
}

/** Both tabs' drafts of this conversation, loaded when it is opened and saved when it is left. */
function useDrafts(talk: Talk): Record<"reply" | "note", Draft> {
  const drafts = useMemo(() => ({ reply: new Draft(talk.conversation, "reply"), note: new Draft(talk.conversation, "note") }), [talk]);
  useEffect(
    () => () => {
      drafts.reply.close();
      drafts.note.close();
    },
    [drafts],
  );
  const kinds = talk.desk.drafts.value.get(talk.room);
  const asked = useRef(new Set<string>());
  useEffect(() => {
    for (const kind of kinds ?? []) {
      if (asked.current.has(kind)) continue;
      asked.current.add(kind); // from here on frames tell
      void drafts[kind].load();
    }
  }, [kinds]);
  return drafts;
}

function notYours(talk: Talk): string {
  if (talk.mayReply.value) return "";
  return t(talk.answering.value?.side === "waiting" ? "thread.accept-to-reply" : talk.answering.value?.side === "colleague" ? "thread.not-yours" : "thread.take-over-to-reply");
}
