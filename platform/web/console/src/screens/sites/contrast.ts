/** Whether words can be read on a colour, as WCAG 2 reckons. Colours are `#rrggbb`. */

export const READABLE = 4.5;
export const COLOR = /^#[0-9a-f]{6}$/;

function luminance(color: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = parseInt(color.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** From 1, the same, to 21, black on white; never said higher than it is. */
export function contrast(one: string, other: string): number {
  const [dark = 0, bright = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return Math.floor(((bright + 0.05) / (dark + 0.05)) * 100) / 100;
}

/** White or black: on every colour one of them can be read. */
export function legibleOn(color: string): string {
  return contrast(color, "#ffffff") >= contrast(color, "#000000") ? "#ffffff" : "#000000";
}
