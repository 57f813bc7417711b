/** The three colours a site may set, if they can be read on one another. */

export interface SiteColours {
  site: string;
  on: string;
  glyph: string;
}

const INK = "#000000"; // not quite black would not do on every colour
const PAPER = "#ffffff";
const READABLE = 4.5;
const VISIBLE = 3;

/**
 * What to paint with, or nothing where the site has no colour that is one. Words that could not be read on the site's
 * colour are black or white instead, whichever is easier to read; a bell that could not be seen is as the words.
 */
export function siteColours(theme: { color: string | null; on_color: string | null; glyph: string | null }): SiteColours | undefined {
  const site = theme.color?.trim() ?? "";
  if (luminance(site) === undefined) return undefined;
  const on = theme.on_color?.trim() ?? "";
  const words = contrast(site, on) >= READABLE ? on : contrast(site, PAPER) >= contrast(site, INK) ? PAPER : INK;
  const glyph = theme.glyph?.trim() ?? "";
  return { site, on: words, glyph: contrast(site, glyph) >= VISIBLE ? glyph : words };
}

/** From 1 to 21 (WCAG 2); 0 where one is no colour. */
export function contrast(one: string, other: string): number {
  const [first, second] = [luminance(one), luminance(other)];
  if (first === undefined || second === undefined) return 0;
  return (Math.max(first, second) + 0.05) / (Math.min(first, second) + 0.05);
}

/** Of `#rgb` or `#rrggbb`; anything else is not taken, since it ends up in a style. */
function luminance(colour: string): number | undefined {
  const [, short, long] = /^#(?:([0-9a-f]{3})|([0-9a-f]{6}))$/i.exec(colour) ?? [];
  const digits = long ?? short?.replace(/./g, "$&$&");
  if (digits === undefined) return undefined;
  const [red = 0, green = 0, blue = 0] = [0, 2, 4].map((at) => {
    const part = parseInt(digits.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
