/** One conversation: its header, its messages, and where one writes. */

import type { JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import "@deskbell/ui/rich.css";
import "@deskbell/ui/virtual.css";
import "./thread.css";
import "./messages.css";
import "../composer/composer.css";
import { Composer } from "../composer/composer.tsx";
import { place } from "../route.ts";
import { useDesk } from "../use-desk.ts";
import { t } from "../words.ts";
import { offerKeys } from "./keys.ts";
import { Find } from "./find.tsx";
import { Header } from "./header.tsx";
import { Log } from "./log.tsx";
import { Questions } from "./questions.tsx";
import { Talk } from "./talk.ts";

export function Thread({ room }: { room: string }): JSX.Element {
  const desk = useDesk();
  const talk = useMemo(() => new Talk(desk, room), [desk, room]);
  const { conversation } = talk;
  const wanted = place.value.screen === "inbox" ? place.value.message : undefined;
  useEffect(() => {
    void conversation.open(wanted);
    const off = offerKeys(talk);
    return () => {
      off();
      conversation.close();
    };
  }, [talk]);
  useEffect(() => {
    if (wanted !== undefined && conversation.loading.peek() === undefined) void talk.lead(wanted);
  }, [wanted]);
  const problem = conversation.problem.value;
  if (problem) {
    return (
      <section class="thread" data-room={room} aria-label={t("thread.conversation")}>
        <p class="trouble" role="alert">{problem.code === "not_found" ? t("thread.gone") : t("thread.trouble", { why: problem.message })}</p>
      </section>
    );
  }
  return (
    <section class="thread" data-room={room} aria-label={t("thread.with", { name: conversation.visitor.value?.name ?? "" })}>
      <Header talk={talk} />
      {talk.finding.value && <Find talk={talk} />}
      <Log talk={talk} />
      <Composer talk={talk} />
      <Questions talk={talk} />
    </section>
  );
}
