/**
 * How the widget is dressed: light or dark, the site's colours, its side. One home for it, in the loader, since the
 * launcher is there before the chat is.
 */

import { siteColours } from "./colours.ts";
import type { Keep } from "./keep.ts";
import type { SiteInfo } from "./site.ts";

export type Theme = "light" | "dark";
/** `page`: what the host page says, or how it looks itself. */
export type ThemeWish = Theme | "page" | "system";

/** Light or dark. A page that says nothing of itself is light, whatever the system likes. */
export function themeOf(visitor: ThemeWish, host: string, pageScheme: string, systemIsDark: boolean): Theme {
  const system: Theme = systemIsDark ? "dark" : "light";
  if (visitor === "light" || visitor === "dark") return visitor;
  if (visitor === "system") return system;
  if (host === "light" || host === "dark") return host;
  const [dark, light] = [/\bdark\b/.test(pageScheme), /\blight\b/.test(pageScheme)];
  if (dark) return light ? system : "dark";
  return "light";
}

export class Dress {
  readonly #wrapper: HTMLElement;
  readonly #keep: Keep;
  readonly #system = matchMedia("(prefers-color-scheme: dark)");
  #host: string;
  #fixedSide: string | undefined;

  constructor(wrapper: HTMLElement, keep: Keep, host: { theme?: string | undefined; side?: string | undefined }) {
    this.#wrapper = wrapper;
    this.#keep = keep;
    this.#host = host.theme ?? "auto";
    this.#fixedSide = host.side === "left" || host.side === "right" ? host.side : undefined;
    this.side("right");
    this.#system.addEventListener("change", () => {
      this.wear();
    });
    this.wear();
  }

  /** What the visitor has chosen in the menu. */
  get wish(): ThemeWish {
    const kept = this.#keep.get("theme");
    return kept === "light" || kept === "dark" || kept === "system" ? kept : "page";
  }

  set wish(wish: ThemeWish) {
    this.#keep.set("theme", wish);
    this.wear();
  }

  host(theme: string): void {
    this.#host = theme;
    this.wear();
  }

  /** The site's side, unless the page has said one. */
  side(side: "left" | "right"): void {
    this.#wrapper.dataset["side"] = this.#fixedSide ?? side;
  }

  site(site: SiteInfo): void {
    this.side(site.launcher.side);
    const colours = siteColours(site.theme);
    if (!colours) return;
    const { style } = this.#wrapper;
    style.setProperty("--site", colours.site);
    style.setProperty("--on-site", colours.on);
    style.setProperty("--site-glyph", colours.glyph);
  }

  wear(): void {
    const scheme = getComputedStyle(document.documentElement).colorScheme;
    this.#wrapper.dataset["theme"] = themeOf(this.wish, this.#host, scheme, this.#system.matches);
  }
}
