/** When people are there: always, or by the day, as the site's own clock shows it. */

import { x } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { JSX } from "preact";
import { t, texts } from "../../words.ts";
import { Check, TextField } from "../parts/form.tsx";
import { type Day, DAYS, inOrder, type SiteDraft, type Span } from "./draft.ts";

const MOST_A_DAY = 4;
/** A Monday, to ask the browser for the names of days. */
const MONDAY = Date.UTC(2024, 0, 1);

interface HoursProps {
  draft: SiteDraft;
  set: <K extends "always" | "timezone" | "days">(key: K, value: SiteDraft[K]) => void;
  wrong?: string | undefined;
}

export function Hours({ draft, set, wrong }: HoursProps): JSX.Element {
  const named = (at: number): string => new Intl.DateTimeFormat(texts.language.value, { weekday: "long", timeZone: "UTC" }).format(new Date(MONDAY + at * 86_400_000));
  const put = (day: Day, spans: Span[]): void => { set("days", { ...draft.days, [day]: spans }); };
  return (
    <fieldset class="sc-set">
      <legend>{t("screens.sites.hours")}</legend>
      <Check label={t("screens.sites.always")} value={draft.always} set={(always) => { set("always", always); }} />
      {!draft.always && (
        <>
          <TextField label={t("screens.sites.timezone")} value={draft.timezone} set={(zone) => { set("timezone", zone); }} dir="ltr" hint={t("screens.sites.timezone_hint")} />
          <ul class="st-days">
            {DAYS.map((day, at) => {
              const spans = draft.days[day];
              return (
                <li key={day}>
                  <span class="st-day">{named(at)}</span>
                  <span class="st-spans">
                    {spans.length === 0 && <span class="faint">{t("screens.sites.closed")}</span>}
                    {spans.map(([from, to], index) => {
                      const change = (span: Span): void => { put(day, spans.map((was, other) => (other === index ? span : was))); };
                      return (
                        <span class="st-span" key={index}>
                          <input class="field" type="time" aria-label={t("screens.sites.from_of", { day: named(at) })} value={from} aria-invalid={!inOrder(spans)} onChange={(event) => { change([event.currentTarget.value, to]); }} />
                          <span aria-hidden="true">–</span>
                          <input class="field" type="time" aria-label={t("screens.sites.to_of", { day: named(at) })} value={to === "24:00" ? "23:59" : to} aria-invalid={!inOrder(spans)} onChange={(event) => { change([from, event.currentTarget.value === "23:59" ? "24:00" : event.currentTarget.value]); }} />
                          <button type="button" class="ib" aria-label={t("screens.sites.span_remove", { day: named(at) })} onClick={() => { put(day, spans.filter((_, other) => other !== index)); }}>
                            <Icon of={x} size={16} />
                          </button>
                        </span>
                      );
                    })}
                    {spans.length < MOST_A_DAY && (
                      <button type="button" class="btn sm quiet" aria-label={t("screens.sites.span_add_of", { day: named(at) })} onClick={() => { put(day, [...spans, spans.length ? ["", ""] : ["09:00", "17:00"]]); }}>
                        {t("screens.sites.span_add")}
                      </button>
                    )}
                  </span>
                </li>
              );
            })}
          </ul>
        </>
      )}
      {wrong && <small class="sc-wrong" role="alert" dir="auto">{wrong}</small>}
    </fieldset>
  );
}
