/** How long a message may be. The server counts bytes; people count characters, and are told those. */

export const MAX_BYTES = 16 * 1024;

/**
 * How many characters there is room for, near the end only. Below zero: so many of the last ones are too many. A
 * character that is still to come is taken to be as wide as those before it.
 */
export function charactersLeft(text: string, max = MAX_BYTES): number | undefined {
  if (text.length * 3 < max * 0.8) return undefined; // three bytes a unit at most: most texts need not be counted
  let bytes = 0;
  let all = 0;
  let fit = 0;
  for (const character of text) {
    bytes += widthOf(character);
    all++;
    if (bytes <= max) fit = all;
  }
  if (bytes > max) return fit - all;
  return bytes < max * 0.8 ? undefined : Math.floor(((max - bytes) * all) / bytes);
}

/** As UTF-8. */
function widthOf(character: string): number {
  const point = character.codePointAt(0) ?? 0;
  return point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
}
