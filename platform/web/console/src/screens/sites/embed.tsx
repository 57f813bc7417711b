/** How a site is embedded: the one line, its key, and its secret, which is shown once and can be made anew. */

import { check } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { t } from "../../words.ts";
import { Problem } from "../parts/page.tsx";
import { useRest } from "../rest.ts";
import { embedCode, type Site } from "./draft.ts";

export function Embed({ site }: { site: Site }): JSX.Element {
  const rest = useRest();
  const [secret, setSecret] = useState(site.secret);
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState<unknown>();

  const page = site.origins.find((origin) => /^https?:\/\//.test(origin));

  async function rotate(): Promise<void> {
    if (!confirm(t("screens.sites.rotate_sure"))) return;
    setBusy(true);
    setFailed(undefined);
    try {
      setSecret((await rest<{ secret?: string }>("POST", `/admin/sites/${site.id}/rotate-secret`, {})).secret);
    } catch (thrown) {
      setFailed(thrown);
    } finally {
      setBusy(false);
    }
  }

  return (
    <section class="sc-card" aria-label={t("screens.sites.embed")}>
      <h2>{t("screens.sites.embed")}</h2>
      <p class="muted">{t("screens.sites.embed_how")}</p>
      <Copied text={embedCode(location.origin, site.public_key)} label={t("screens.sites.code")} />
      {secret && (
        <div class="st-secret" role="status">
          <p>{t("screens.sites.secret_once")}</p>
          <Copied text={secret} label={t("screens.sites.secret")} />
        </div>
      )}
      {failed !== undefined && <Problem error={failed} />}
      <div class="sc-end">
        {page && <a class="btn sm" href={page} target="_blank" rel="noopener noreferrer">{t("screens.sites.visit", { page })}</a>}
        <button type="button" class="btn sm" disabled={busy} onClick={() => void rotate()}>{t("screens.sites.rotate")}</button>
        <span class="sc-faint">{t("screens.sites.rotate_hint")}</span>
      </div>
    </section>
  );
}

/** A text to be copied whole; where the clipboard is not ours to write, it can be selected. */
export function Copied({ text, label }: { text: string; label: string }): JSX.Element {
  const [copied, setCopied] = useState<boolean>();
  return (
    <div class="st-copy">
      <textarea class="field sc-code" dir="ltr" readOnly rows={text.length > 90 ? 2 : 1} aria-label={label} value={text} onFocus={(event) => { event.currentTarget.select(); }} />
      <button
        type="button"
        class="btn"
        onClick={() => {
          navigator.clipboard.writeText(text).then(() => { setCopied(true); }, () => { setCopied(false); });
        }}
      >
        {copied ? <Icon of={check} size={16} /> : null} {copied ? t("screens.copied") : t("screens.copy")}
      </button>
      {copied === false && <small class="sc-wrong" role="alert">{t("screens.copy_failed")}</small>}
    </div>
  );
}
