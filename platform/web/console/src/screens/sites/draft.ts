/**
 * A site as its form holds it, and as the server does. A field the form does not know stays as it was; what is empty is
 * left out, so that the widget's own takes its place.
 */

export const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
export type Day = (typeof DAYS)[number];
export type Span = [string, string];
export type QuestionKind = "text" | "email" | "textarea" | "select";

export interface Question {
  name: string;
  label: string;
  kind: QuestionKind;
  options?: string[];
  required?: boolean;
}

export interface SiteSettings {
  languages?: string[];
  theme?: { color?: string | null; on_color?: string | null; glyph?: string | null };
  launcher?: { side?: "right" | "left"; label?: string };
  greeting?: Record<string, string>;
  choice?: boolean;
  prechat?: { fields?: Question[]; consent?: string | null };
  offline_form?: boolean;
  hours?: { timezone: string; days?: Partial<Record<Day, Span[]>> } | null;
}

export interface Site {
  id: string;
  name: string;
  public_key: string;
  origins: string[];
  settings: SiteSettings;
  bot: string | null;
  /** Told once: when the site is made, or the secret is made anew. */
  secret?: string;
}

export interface SiteDraft {
  name: string;
  origins: string[];
  bot: string;
  languages: string[];
  color: string;
  on_color: string;
  glyph: string;
  side: "right" | "left";
  label: string;
  greeting: Record<string, string>;
  choice: boolean;
  fields: Question[];
  consent: string;
  offline_form: boolean;
  always: boolean;
  timezone: string;
  days: Record<Day, Span[]>;
}

const WORKDAY: Span[] = [["09:00", "17:00"]];

export function draftOf(site: Site | undefined, timezone: string): SiteDraft {
  const settings = site?.settings ?? {};
  const { hours } = settings;
  const days = Object.fromEntries(
    DAYS.map((day) => [day, hours ? (hours.days?.[day] ?? []) : day === "sat" || day === "sun" ? [] : WORKDAY]),
  ) as Record<Day, Span[]>;
  return {
    name: site?.name ?? "",
    origins: site?.origins.length ? site.origins : [""],
    bot: site?.bot ?? "",
    languages: settings.languages ?? ["en"],
    color: settings.theme?.color ?? "",
    on_color: settings.theme?.on_color ?? "",
    glyph: settings.theme?.glyph ?? "",
    side: settings.launcher?.side ?? "right",
    label: settings.launcher?.label ?? "",
    greeting: settings.greeting ?? {},
    choice: settings.choice ?? true,
    fields: settings.prechat?.fields ?? [],
    consent: settings.prechat?.consent ?? "",
    offline_form: settings.offline_form ?? true,
    always: !hours,
    timezone: hours?.timezone ?? timezone,
    days,
  };
}

export function settingsOf(draft: SiteDraft, was: SiteSettings = {}): SiteSettings {
  const greeting = Object.fromEntries(Object.entries(draft.greeting).filter(([language, text]) => text.trim() && draft.languages.includes(language)));
  const fields = draft.fields.map(({ options, ...field }) => ({
    ...field,
    ...(field.kind === "select" ? { options: (options ?? []).map((one) => one.trim()).filter(Boolean) } : {}),
  }));
  return {
    ...was,
    languages: draft.languages,
    theme: { color: draft.color || null, on_color: (draft.color && draft.on_color) || null, glyph: (draft.color && draft.glyph) || null },
    launcher: { side: draft.side, label: draft.label.trim() },
    greeting,
    choice: draft.choice,
    prechat: { fields, consent: draft.consent.trim() || null },
    offline_form: draft.offline_form,
    hours: draft.always ? null : { timezone: draft.timezone.trim(), days: draft.days },
  };
}

/** The origin of what was typed or pasted; none: it is no origin. `*` is every page, for development. */
export function originOf(typed: string): string | undefined {
  const text = typed.trim();
  if (text === "*") return text;
  const found = /^(https?):\/\/([a-z0-9.-]+)(:\d{1,5})?(?:[/?#].*)?$/i.exec(text);
  if (!found) return undefined;
  const [, scheme = "", host = "", port = ""] = found;
  if (host.startsWith(".") || host.endsWith(".") || host.includes("..")) return undefined;
  return `${scheme}://${host}${port}`.toLowerCase();
}

/** Whether the times of a day go forward and do not overlap. */
export function inOrder(spans: readonly Span[]): boolean {
  let last = "";
  for (const [from, to] of spans) {
    if (!from || !to || from < last || from >= to) return false;
    last = to;
  }
  return true;
}

/** The one line that puts the widget on a page. */
export function embedCode(desk: string, publicKey: string): string {
  const plain = (text: string): string => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
  return `<script src="${plain(desk)}/widget.js" data-site="${plain(publicKey)}" async></script>`;
}
