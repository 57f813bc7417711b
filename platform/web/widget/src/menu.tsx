/** The menu: transcript, sound, language, text size, theme, and the end of the conversation. */

import type { ComponentChildren, JSX } from "preact";
import { useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { get, trash } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import "./parts.ts";
import styles from "./menu.css?inline";
import { adopt } from "./sheets.ts";
import type { ThemeWish } from "./dress.ts";
import { SPOKEN } from "./speech.ts";
import { giveTranscript } from "./transcript.ts";
import { SCALES, type Widget } from "./widget.ts";

adopt(styles);

export { teach } from "./opened-words.ts";

const OWN_NAMES = { en: "English", ar: "العربية" } as const;

export interface MenuProps {
  widget: Widget;
  close: () => void;
}

export function Menu({ widget, close }: MenuProps): JSX.Element {
  const { texts, site, frame } = widget;
  const session = widget.session.value;
  const box = useRef<HTMLDivElement>(null);
  const failed = useSignal(false);
  const theme = useSignal<ThemeWish>(frame.dress.wish);
  useClosing(box, close);
  const room = session.room.value;
  const spoken = SPOKEN.filter((language) => site.value.languages.includes(language));
  const percent = new Intl.NumberFormat(texts.language.value, { style: "percent" });

  const set = (what: "sound" | "scale", value: boolean | number): void => {
    widget[what].value = value;
    frame.keep.set(what, what === "scale" ? String(value) : value ? "on" : "off");
  };
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
      close();
    } catch {
      failed.value = true;
    }
  };
  return (
    <div class="menu" ref={box} role="dialog" aria-label={texts.t("menu")}>
      {room !== undefined && (
        <button type="button" class="menu-row" onClick={() => void attempt(() => giveTranscript(session, room))}>
          <Icon of={get} size={16} /> {texts.t("downloadTranscript")}
        </button>
      )}
      <label class="menu-row">
        <span>{texts.t("sound")}</span>
        <input type="checkbox" role="switch" class="switch" checked={widget.sound.value} onChange={(event) => { set("sound", event.currentTarget.checked); }} />
      </label>
      <Choice name="size" label={texts.t("textSize")}>
        {SCALES.map((scale) => (
          <Option key={scale} name="size" on={widget.scale.value === scale} choose={() => { set("scale", scale); }}>
            {percent.format(scale)}
          </Option>
        ))}
      </Choice>
      <Choice name="theme" label={texts.t("theme")}>
        {([["page", "themePage"], ["system", "themeSystem"], ["light", "themeLight"], ["dark", "themeDark"]] as const).map(([wish, key]) => (
          <Option key={wish} name="theme" on={theme.value === wish} choose={() => { frame.dress.wish = theme.value = wish; }}>
            {texts.t(key)}
          </Option>
        ))}
      </Choice>
      {spoken.length > 1 && (
        <Choice name="language" label={texts.t("language")}>
          {spoken.map((language) => (
            <Option key={language} name="language" on={texts.language.value === language} choose={() => { widget.setLanguage(language); }}>
              <bdi lang={language}>{OWN_NAMES[language]}</bdi>
            </Option>
          ))}
        </Choice>
      )}
      {room !== undefined && session.owner.value !== "closed" && <End widget={widget} attempt={attempt} />}
      <p class="error" role="alert">{failed.value && texts.t("menuFailed")}</p>
    </div>
  );
}

function Choice({ name, label, children }: { name: string; label: string; children: ComponentChildren }): JSX.Element {
  return (
    <div class="choice" role="radiogroup" aria-labelledby={`choice-${name}`}>
      <span id={`choice-${name}`}>{label}</span>
      <div class="options">{children}</div>
    </div>
  );
}

interface OptionProps {
  name: string;
  on: boolean;
  choose: () => void;
  children: ComponentChildren;
}

function Option({ name, on, choose, children }: OptionProps): JSX.Element {
  return (
    <label class="option">
      <input type="radio" name={name} checked={on} onChange={choose} />
      <span>{children}</span>
    </label>
  );
}

/** Ends the conversation, after one more word. */
function End({ widget, attempt }: { widget: Widget; attempt: (work: () => Promise<void>) => Promise<void> }): JSX.Element {
  const { texts } = widget;
  const sure = useSignal(false);
  if (!sure.value) {
    return (
      <button type="button" class="menu-row bad" onClick={() => { sure.value = true; }}>
        <Icon of={trash} size={16} /> {texts.t("endChat")}
      </button>
    );
  }
  return (
    <div class="menu-sure" role="group" aria-label={texts.t("endSure")}>
      <span>{texts.t("endSure")}</span>
      <div class="btns two">
        <button type="button" class="btn" ref={(button) => { button?.focus(); }} onClick={() => { sure.value = false; }}>{texts.t("endNo")}</button>
        <button type="button" class="btn ink" onClick={() => void attempt(() => widget.session.value.act("end"))}>{texts.t("endYes")}</button>
      </div>
    </div>
  );
}

/** The focus goes in and comes back; Esc, a press elsewhere and Tab out of it close it. */
function useClosing(box: { current: HTMLDivElement | null }, close: () => void): void {
  useLayoutEffect(() => {
    const menu = box.current;
    const opener = menu?.parentElement?.querySelector<HTMLElement>("button");
    menu?.querySelector<HTMLElement>("button, input")?.focus();
    const outside = (event: Event): void => {
      if (menu && !event.composedPath().includes(menu.parentElement ?? menu)) close();
    };
    const keys = (event: KeyboardEvent): void => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      close();
    };
    const left = (event: FocusEvent): void => {
      if (event.relatedTarget instanceof Node && !menu?.parentElement?.contains(event.relatedTarget)) close();
    };
    const root = menu?.getRootNode();
    root?.addEventListener("pointerdown", outside);
    menu?.addEventListener("keydown", keys);
    menu?.addEventListener("focusout", left);
    return () => {
      root?.removeEventListener("pointerdown", outside);
      if (opener && (menu?.contains((root as ShadowRoot).activeElement) ?? (root as ShadowRoot).activeElement === null)) opener.focus();
    };
  }, []);
}
