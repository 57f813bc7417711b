/** Finding by a few letters: in their order, best where words begin and where they stand together. */

export interface Found {
  score: number;
  /** `[start, end)` within the text. */
  marks: [number, number][];
}

/** How well `text` answers `query`; none where a letter is missing. An empty query is found in everything. */
export function fuzzy(query: string, text: string): Found | undefined {
  const wanted = fold(query.trim());
  if (!wanted) return { score: 0, marks: [] };
  const folded = fold(text);
  if (folded.length !== text.length) return folded.includes(wanted) ? { score: 1, marks: [] } : undefined;
  const at = wordStart(folded, wanted);
  if (at !== undefined) return { score: 100 - Math.min(at, 50) + (at === 0 ? 20 : 0), marks: [[at, at + wanted.length]] };
  const inside = folded.indexOf(wanted);
  if (inside >= 0) return { score: 40 - Math.min(inside, 20), marks: [[inside, inside + wanted.length]] };
  return initials(folded, wanted.replaceAll(" ", ""));
}

function wordStart(text: string, wanted: string): number | undefined {
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + 1)) {
    if (at === 0 || !/[\p{L}\p{N}]/u.test(text.charAt(at - 1))) return at;
  }
  return undefined;
}

/** Letters in their order, each at the beginning of a word or right after the one before it. */
function initials(text: string, wanted: string): Found | undefined {
  const marks: [number, number][] = [];
  let from = 0;
  for (const letter of wanted) {
    const last = marks.at(-1);
    if (last && text.charAt(from) === letter) {
      last[1] = ++from;
      continue;
    }
    let at = text.indexOf(letter, from);
    while (at > 0 && /[\p{L}\p{N}]/u.test(text.charAt(at - 1))) at = text.indexOf(letter, at + 1);
    if (at < 0) return undefined;
    marks.push([at, at + 1]);
    from = at + 1;
  }
  return { score: 20 - Math.min(marks.length, 15), marks };
}

function fold(text: string): string {
  return text.toLowerCase().normalize("NFD").replaceAll(/\p{M}/gu, "").normalize("NFC");
}
