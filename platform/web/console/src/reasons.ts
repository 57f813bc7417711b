/** Why a person was asked for, in words. Bots and rules may make up reasons; those are shown readably, as they wrote them. */

import { type Key, t } from "./words.ts";

const WORDS: Readonly<Record<string, Key>> = {
  asked_human: "reason.asked_human",
  asked_again: "reason.asked_again",
  no_assistant: "reason.no_assistant",
  no_answer: "reason.no_answer",
  low_confidence: "reason.no_answer",
  not_understood: "reason.not_understood",
  bot_error: "reason.bot_error",
  bot_asked: "reason.bot_asked",
  needs_promise: "reason.needs_promise",
  out_of_scope: "reason.out_of_scope",
  upset: "reason.upset",
  taken_over: "reason.taken_over",
};

/** A word that brings a person in whatever else is said, as the rules of escalation put it. */
const WORD = /^word:(.+)$/;

export function reasonWord(reason: string): string {
  const known = WORDS[reason.trim().replace(/[\s-]+/g, "_").toLowerCase()];
  if (known) return t(known);
  const word = WORD.exec(reason)?.[1];
  if (word) return t("reason.word", { word });
  const plain = reason.replace(/_/g, " ").trim();
  return plain.charAt(0).toLocaleUpperCase() + plain.slice(1);
}
