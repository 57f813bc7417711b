/**
 * What the composer offers while one writes: `/` for snippets and commands, `@` for colleagues in a note, `:` for
 * emoji. Pure: a text and a caret in, the word that asks for something out, and the text with the answer put in.
 */

export type Sign = "/" | "@" | ":";

/** The piece of text from `start` to the caret that asks for suggestions. */
export interface Prompt {
  sign: Sign;
  query: string;
  start: number;
  end: number;
}

const WORDS: Record<Sign, RegExp> = {
  "/": /^[a-z0-9_-]*$/i,
  "@": /^[\p{L}\p{N}._-]*(?: [\p{L}\p{N}._-]*)?$/u,
  ":": /^[a-z0-9_+-]{2,}$/i,
};

/** What is asked for at the caret. A sign counts at the start of a word only, so addresses and times ask nothing. */
export function promptAt(text: string, caret: number, signs: readonly Sign[]): Prompt | undefined {
  const before = text.slice(Math.max(0, caret - 60), caret);
  const offset = caret - before.length;
  for (const sign of signs) {
    const at = before.lastIndexOf(sign);
    if (at < 0) continue;
    if (at > 0 && !/[\s(]/.test(before.charAt(at - 1))) continue;
    const query = before.slice(at + 1);
    if (WORDS[sign].test(query)) return { sign, query, start: offset + at, end: caret };
  }
  return undefined;
}

/** The text with the prompt answered, and where the caret goes. */
export function answered(text: string, prompt: Prompt, answer: string): { text: string; caret: number } {
  const after = text.slice(prompt.end);
  const gap = answer && !/^\s/.test(after) ? " " : "";
  return {
    text: text.slice(0, prompt.start) + answer + gap + after,
    caret: prompt.start + answer.length + (gap || after ? 1 : 0),
  };
}

/** What begins with the query comes before what holds it elsewhere; otherwise the order given. */
export function matching<T>(all: readonly T[], query: string, words: (one: T) => readonly string[], limit = 8): T[] {
  const wanted = query.toLocaleLowerCase();
  const ranked = all.flatMap((one, order) => {
    const texts = words(one).map((word) => word.toLocaleLowerCase());
    if (texts.some((word) => word.startsWith(wanted))) return [{ one, order, rank: 0 }];
    return texts.some((word) => word.includes(wanted)) ? [{ one, order, rank: 1 }] : [];
  });
  ranked.sort((one, other) => one.rank - other.rank || one.order - other.order);
  return ranked.slice(0, limit).map(({ one }) => one);
}

/** A snippet with its placeholders filled in, all at once: what they bring in is not looked at again. */
export function filledIn(text: string, names: { visitor: string; agent: string }): string {
  return text.replace(/\{\{\s*(visitor|agent)\.name\s*\}\}/g, (_, who: "visitor" | "agent") => names[who]);
}

/** Who of `people` is named in a note by `@Name`, the longest name first, so that Ana does not stand for Ana Maria. */
export function mentionedIn(text: string, people: readonly { id: string; name: string }[]): string[] {
  let rest = text;
  const found: string[] = [];
  for (const { id, name } of [...people].sort((one, other) => other.name.length - one.name.length)) {
    if (!name) continue;
    const parts = rest.split(`@${name}`);
    const named = parts.slice(1).some((after) => !/^[\p{L}\p{N}]/u.test(after));
    if (!named) continue;
    found.push(id);
    rest = parts.join("\u0000");
  }
  return found;
}

/** A text in pieces, every second of them an `@Name` of one of `names`. */
export function piecesOf(text: string, names: readonly string[]): string[] {
  const said = names.filter(Boolean).sort((one, other) => other.length - one.length).map((name) => name.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  return said.length > 0 ? text.split(new RegExp(`(@(?:${said.join("|")}))(?![\\p{L}\\p{N}])`, "u")) : [text];
}
