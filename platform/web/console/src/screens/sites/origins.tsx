/** The origins a site's pages come from. Each is checked as it is typed; a pasted address becomes its origin. */

import { x } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { JSX } from "preact";
import { useId } from "preact/hooks";
import { t } from "../../words.ts";
import { originOf } from "./draft.ts";

export function Origins({ origins, set, wrong }: { origins: string[]; set: (origins: string[]) => void; wrong?: string | undefined }): JSX.Element {
  const id = useId();
  const put = (at: number, value: string): void => { set(origins.map((was, other) => (other === at ? value : was))); };
  return (
    <fieldset class="sc-set">
      <legend class="st-sub">{t("screens.sites.origins")}</legend>
      <small class="sc-hint" id={`${id}-hint`}>{t("screens.sites.origins_hint")}</small>
      {origins.map((origin, at) => {
        const bad = origin.trim() !== "" && originOf(origin) === undefined;
        return (
          <span class="st-line" key={at}>
            <input class="field" type="url" dir="ltr" aria-label={t("screens.sites.origin", { n: at + 1 })} aria-describedby={`${id}-hint`} aria-invalid={bad} placeholder="https://shop.example" value={origin} onInput={(event) => { put(at, event.currentTarget.value); }} onBlur={(event) => { const found = originOf(event.currentTarget.value); if (found && found !== origin) put(at, found); }} />
            <button type="button" class="ib" aria-label={t("screens.sites.origin_remove", { n: at + 1 })} onClick={() => { set(origins.length > 1 ? origins.filter((_, other) => other !== at) : [""]); }}>
              <Icon of={x} size={16} />
            </button>
          </span>
        );
      })}
      {wrong && <small class="sc-wrong" role="alert" dir="auto">{wrong}</small>}
      <span><button type="button" class="btn sm" onClick={() => { set([...origins, ""]); }}>{t("screens.sites.origin_add")}</button></span>
    </fieldset>
  );
}
