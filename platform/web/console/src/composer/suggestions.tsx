/** What is offered while one writes, above the field; arrow keys choose, Enter and Tab take, Escape says no. */

import type { JSX, RefObject } from "preact";
import { useId, useState } from "preact/hooks";
import { isComposing } from "@deskbell/ui/composing.ts";
import { commands, keysOf, possible } from "../commands.ts";
import { useDesk } from "../use-desk.ts";
import { t } from "../words.ts";
import type { Tab, Talk } from "../thread/talk.ts";
import { EMOJI } from "./emoji.ts";
import { answered, filledIn, matching, type Prompt, promptAt, type Sign } from "./prompts.ts";

interface Offer {
  key: string;
  title: string;
  hint: string;
  /** What takes the place of the prompt; none: something is run instead. */
  text?: string;
  run?: () => void;
}

interface Asked {
  talk: Talk;
  field: RefObject<HTMLTextAreaElement | null>;
  tab: Tab;
  text: string;
  write: (text: string) => void;
}

export interface Suggestions {
  list: JSX.Element | null;
  /** What the field says of itself. */
  field: { "aria-controls"?: string; "aria-activedescendant"?: string; "aria-autocomplete"?: "list"; "aria-haspopup"?: "listbox" };
  look: () => void;
  close: () => void;
  /** Whether the key was taken. */
  key: (event: KeyboardEvent) => boolean;
  /** Ask for one of the lists by its button. */
  begin: (sign: Sign) => void;
  /** Put in where the caret is. */
  insert: (piece: string) => void;
}

export function useSuggestions({ talk, field, tab, text, write }: Asked): Suggestions {
  const desk = useDesk();
  const id = useId();
  const [prompt, setPrompt] = useState<Prompt | undefined>(undefined);
  const [at, setAt] = useState(0);
  const signs: Sign[] = tab === "note" ? ["/", "@", ":"] : ["/", ":"];
  const offers = prompt ? offersFor(prompt, talk, tab) : [];
  const shown = offers.length > 0;

  const close = (): void => {
    setPrompt(undefined);
    setAt(0);
  };
  const look = (): void => {
    const element = field.current;
    if (!element) return;
    const found = element.selectionStart === element.selectionEnd ? promptAt(element.value, element.selectionStart, signs) : undefined;
    setPrompt((was) => (was?.start === found?.start && was?.query === found?.query && was?.sign === found?.sign ? was : found));
    if (!found) setAt(0);
  };
  const put = (next: { text: string; caret: number }): void => {
    const element = field.current;
    if (element) {
      // At once, so that the next key finds the caret where it belongs.
      element.value = next.text;
      element.focus();
      element.setSelectionRange(next.caret, next.caret);
    }
    write(next.text);
  };
  const take = (offer: Offer | undefined): void => {
    if (!offer || !prompt) return;
    put(answered(text, prompt, offer.text ?? ""));
    close();
    offer.run?.();
  };
  const insert = (piece: string): void => {
    const element = field.current;
    const [start, end] = [element?.selectionStart ?? text.length, element?.selectionEnd ?? text.length];
    put({ text: text.slice(0, start) + piece + text.slice(end), caret: start + piece.length });
  };

  return {
    list: shown ? (
      <ul class="pop offers" role="listbox" id={id} aria-label={t("thread.offers")}>
        {offers.map((offer, index) => (
          <li
            key={offer.key}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === at}
            onPointerDown={(event) => {
              event.preventDefault(); // the field keeps the focus
              take(offer);
            }}
          >
            <b dir="auto">{offer.title}</b>
            <span class="cut muted" dir="auto">{offer.hint}</span>
          </li>
        ))}
      </ul>
    ) : null,
    field: shown ? { "aria-haspopup": "listbox", "aria-autocomplete": "list", "aria-controls": id, "aria-activedescendant": `${id}-${Math.min(at, offers.length - 1)}` } : {},
    look,
    close,
    key: (event) => {
      if (!shown || isComposing(event)) return false;
      const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
      if (step) setAt((at + step + offers.length) % offers.length);
      else if ((event.key === "Enter" || event.key === "Tab") && !event.shiftKey && !event.ctrlKey && !event.metaKey) take(offers[Math.min(at, offers.length - 1)]);
      else if (event.key === "Escape") close();
      else return false;
      event.preventDefault();
      event.stopPropagation();
      return true;
    },
    begin: (sign) => {
      const element = field.current;
      const caret = element?.selectionStart ?? text.length;
      const gap = caret > 0 && !/\s/.test(text.charAt(caret - 1)) ? " " : "";
      put({ text: text.slice(0, caret) + gap + sign + text.slice(caret), caret: caret + gap.length + 1 });
      setTimeout(look, 60);
    },
    insert,
  };

  function offersFor({ sign, query }: Prompt, of: Talk, where: Tab): Offer[] {
    if (sign === ":") {
      return matching(EMOJI, query, (one) => one.slice(1)).map(([emoji, name]) => ({ key: emoji, title: emoji, hint: name ?? "", text: emoji }));
    }
    if (sign === "@") {
      const others = desk.agents.value.filter((agent) => agent.user.id !== of.conversation.me);
      return matching(others, query, (one) => [one.user.name, ...one.user.name.split(" ")]).map(({ user, status }) => ({
        key: user.id, title: user.name, hint: t(`thread.status.${status}`), text: `@${user.name}`,
      }));
    }
    const names = { visitor: of.conversation.visitor.value?.name ?? "", agent: desk.me.value.user.name };
    const seen = new Set<string>();
    const own = [...desk.snippets.value].sort((one, other) => Number(one.shared) - Number(other.shared));
    const unique = own.filter(({ shortcut }) => !seen.has(shortcut) && Boolean(seen.add(shortcut)));
    const snippets = matching(unique, query, (one) => [one.shortcut]).map((one): Offer => {
      const filled = filledIn(one.text, names);
      return { key: one.id, title: `/${one.shortcut}`, hint: filled, text: filled };
    });
    const doable = [...commands.value.values()].filter((one) => !one.silent && (one.group === "case" || one.group === "conversation") && possible(one));
    const acts = matching(doable, query, (one) => [t(one.title)], 5).map((one): Offer => ({
      key: one.id, title: t(one.title), hint: keysOf(one)[0] ?? "", run: one.run,
    }));
    return [...snippets, ...(where === "note" && query === "" ? [] : acts)];
  }
}
