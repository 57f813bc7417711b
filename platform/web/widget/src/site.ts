/**
 * What the desk tells everybody about a site: its name, its colours, who is here. Whatever is missing or not of the
 * shape that is expected is as if the site had not set it: a widget of another version than its desk still opens.
 */

export interface PrechatField {
  name: string;
  label: string;
  kind: "text" | "email" | "textarea" | "select";
  options: string[];
  required: boolean;
}

export interface SiteInfo {
  name: string;
  assistant: { name: string };
  languages: string[];
  theme: { color: string | null; on_color: string | null; glyph: string | null };
  launcher: { side: "left" | "right"; label: string };
  /** Words of the site's own for the head of the home page, by language. */
  greeting: Record<string, string>;
  /** Offer assistant or person at the start; else a conversation begins at once. */
  choice: boolean;
  prechat: { fields: PrechatField[]; consent: string | null };
  /** Whether one may leave a message while nobody is here. */
  offline_form: boolean;
  open: boolean;
  /** RFC 3339; null where it is not known. */
  opens_at: string | null;
  people: { name: string; avatar: string | null }[];
  people_here: boolean;
  /** How long one waits for a person, in seconds. */
  wait_s: [number, number] | null;
}

type Loose = Record<string, unknown>;

/** The answer of `GET /sites/{key}`, made whole. */
export function siteFrom(told: unknown): SiteInfo {
  const site = record(told);
  const theme = record(site["theme"]);
  const launcher = record(site["launcher"]);
  const prechat = record(site["prechat"]);
  const wait = list(site["wait_s"]).filter((seconds) => typeof seconds === "number");
  const languages = list(site["languages"]).filter((language) => typeof language === "string");
  return {
    name: words(site["name"]) ?? "",
    assistant: { name: words(record(site["assistant"])["name"]) ?? "" },
    languages: languages.length ? languages : ["en", "ar"],
    theme: { color: words(theme["color"]), on_color: words(theme["on_color"]), glyph: words(theme["glyph"]) },
    launcher: { side: launcher["side"] === "left" ? "left" : "right", label: words(launcher["label"]) ?? "" },
    greeting: Object.fromEntries(Object.entries(record(site["greeting"])).filter(([, text]) => words(text) !== null)) as Record<string, string>,
    choice: site["choice"] !== false,
    prechat: { fields: list(prechat["fields"]).map(field).filter((one) => one !== undefined), consent: words(prechat["consent"]) },
    offline_form: site["offline_form"] === true,
    open: site["open"] !== false,
    opens_at: words(site["opens_at"]),
    people: list(site["people"]).map((one) => ({ name: words(record(one)["name"]) ?? "", avatar: words(record(one)["avatar"]) })).slice(0, 3),
    people_here: site["people_here"] === true,
    wait_s: wait.length === 2 ? [wait[0] ?? 0, wait[1] ?? 0] : null,
  };
}

function field(told: unknown): PrechatField | undefined {
  const { name, label, kind, options, required } = record(told);
  if (typeof name !== "string" || typeof label !== "string") return undefined;
  const known = kind === "email" || kind === "textarea" || kind === "select" ? kind : "text";
  return { name, label, kind: known, options: list(options).filter((one) => typeof one === "string"), required: required === true };
}

function record(value: unknown): Loose {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Loose) : {};
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}

function words(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}
