/** The site's colours with their contrast, and what comes of them: a launcher and a head drawn as the widget draws them. */

import { bell, check, warn } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { JSX } from "preact";
import { t, texts } from "../../words.ts";
import { Field } from "../parts/form.tsx";
import { COLOR, contrast, legibleOn, READABLE } from "./contrast.ts";
import type { SiteDraft } from "./draft.ts";

const PARTS = ["color", "on_color", "glyph"] as const;

/** What is wrong with the colours, in a sentence. */
export function wrongColors(draft: SiteDraft): string | undefined {
  if (PARTS.some((part) => draft[part] && !COLOR.test(draft[part]))) return t("screens.sites.color_form");
  if (!draft.color) return undefined;
  const low = [draft.on_color, draft.glyph].filter(Boolean).some((one) => contrast(draft.color, one) < READABLE);
  return low ? t("screens.sites.contrast_low") : undefined;
}

interface ColorsProps {
  draft: SiteDraft;
  set: (key: (typeof PARTS)[number], value: string) => void;
  wrong?: string | undefined;
}

export function Colors({ draft, set, wrong }: ColorsProps): JSX.Element {
  const base = COLOR.test(draft.color) ? draft.color : undefined;
  return (
    <>
      {PARTS.map((part) => {
        if (part !== "color" && !base) return null;
        const value = draft[part];
        const shown = COLOR.test(value) ? value : base && part !== "color" ? legibleOn(base) : "#282420";
        return (
          <Field key={part} label={t(`screens.sites.${part}`)} hint={part === "color" ? t("screens.sites.color_hint") : base && <Ratio of={shown} on={base} own={!value} />}>
            {(own) => (
              <span class="st-line">
                <input type="color" class="st-well" aria-label={t("screens.sites.choose", { name: t(`screens.sites.${part}`) })} value={shown} onInput={(event) => { set(part, event.currentTarget.value.toLowerCase()); }} />
                <input {...own} class="field" dir="ltr" placeholder={part === "color" ? t("screens.sites.color_own") : shown} value={value} aria-invalid={value !== "" && !COLOR.test(value)} maxLength={7} onInput={(event) => { set(part, event.currentTarget.value.trim().toLowerCase()); }} />
              </span>
            )}
          </Field>
        );
      })}
      {wrong && <small class="sc-wrong" role="alert" dir="auto">{wrong}</small>}
    </>
  );
}

function Ratio({ of, on, own }: { of: string; on: string; own: boolean }): JSX.Element {
  const found = contrast(on, of);
  const good = found >= READABLE;
  const ratio = new Intl.NumberFormat(texts.language.value, { maximumFractionDigits: 2 }).format(found);
  return (
    <span class={good ? "sc-said" : "sc-wrong st-ratio"}>
      <Icon of={good ? check : warn} size={13} />
      {t(good ? (own ? "screens.sites.contrast_own" : "screens.sites.contrast_good") : "screens.sites.contrast_bad", { ratio })}
    </span>
  );
}

/** A likeness, from what the form holds now; nothing of it is saved or sent. */
export function SitePreview({ draft }: { draft: SiteDraft }): JSX.Element {
  const color = COLOR.test(draft.color) ? draft.color : undefined;
  const on = color && (COLOR.test(draft.on_color) ? draft.on_color : legibleOn(color));
  const glyph = color && (COLOR.test(draft.glyph) ? draft.glyph : on);
  const language = draft.languages[0] ?? "en";
  const own = color ? { background: color, color: on } : {};
  return (
    <figure class={`st-preview ${draft.side}`} aria-label={t("screens.sites.preview")}>
      <figcaption class="sc-faint">{t("screens.sites.preview")}</figcaption>
      <div class="st-panel">
        <header style={own}><b dir="auto">{draft.name || t("screens.sites.name")}</b></header>
        <p dir="auto" lang={language}>{draft.greeting[language]?.trim() || t("screens.sites.greeting_sample")}</p>
        <span class="st-mine" style={own}>{t("screens.sites.sample")}</span>
      </div>
      <span class="st-launch">
        {draft.label && <span class="st-words" dir="auto">{draft.label}</span>}
        <span class="st-bell" style={color ? { background: color, color: glyph } : {}}><Icon of={bell} size={20} /></span>
      </span>
    </figure>
  );
}
