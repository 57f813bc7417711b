/**
 * What people and bots write, read as a small part of Markdown: fenced code, quotes, simple lists, **bold**,
 * *italic*, `code` and http(s) addresses. Everything else stays as it was written, HTML too.
 *
 * It promises to look at each character a bounded number of times, whatever the text, and to nest nothing deeper
 * than bold in italic in a quote. {@link Rich} draws what comes out.
 */

export type Inline =
  | { is: "text"; text: string }
  | { is: "code"; text: string }
  | { is: "link"; href: string; text: string }
  | { is: "strong" | "em"; inside: Inline[] };

export type Block =
  | { is: "paragraph" | "quote"; inside: Inline[] }
  | { is: "list"; ordered: boolean; start: number; items: Inline[][] }
  | { is: "code"; text: string };

/** More than the longest message the server takes; what is beyond is cut, so that no text can hold up a page. */
const MAX_CHARS = 20_000;

const ITEM = /^ {0,3}(?:[-*•]|(\d{1,6})[.)]) +(\S.*)$/;
const FENCE = /^ {0,3}```[^`]*$/;
const WORD = /[\p{L}\p{N}]/u;
const LATIN = /[A-Za-z0-9]/;

/** A text as blocks, in the order of reading. */
export function read(text: string): Block[] {
  const whole = text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}…` : text;
  const lines = whole.split(/\r\n?|\n/);
  const blocks: Block[] = [];
  for (let at = 0; at < lines.length; ) {
    const line = lines[at] ?? "";
    const kind = kindOf(line);
    let end = at + 1;
    if (kind === "blank") {
      at = end;
      continue;
    }
    if (kind === "fence") {
      // Without an end it reaches to the end: so an answer that is still being written looks right, too.
      while (end < lines.length && !/^ {0,3}```\s*$/.test(lines[end] ?? "")) end++;
      blocks.push({ is: "code", text: lines.slice(at + 1, end).join("\n") });
      at = end + 1;
      continue;
    }
    while (end < lines.length && kindOf(lines[end] ?? "") === kind && !(kind === "item" && ordered(lines[end]) !== ordered(line))) end++;
    const part = lines.slice(at, end);
    if (kind === "item") blocks.push(list(part));
    else if (kind === "quote") blocks.push({ is: "quote", inside: inline(part.map((one) => one.replace(/^ {0,3}> ?/, "")).join("\n")) });
    else blocks.push({ is: "paragraph", inside: inline(part.join("\n")) });
    at = end;
  }
  return blocks;
}

/** A link as Markdown writes it. It is drawn as it was written, so that nothing hides where it leads. */
const NAMED_LINK = /\[([^\][\n]{1,200})\]\(https?:[^()\s]{1,500}\)/gi;

/** The words alone in one line, for a preview or a voice. Of what was cut within a mark, the mark goes too. */
export function plain(text: string): string {
  const blocks = read(text.replace(NAMED_LINK, "$1")).map((block) => {
    if (block.is === "code") return block.text;
    if (block.is !== "list") return said(block.inside);
    return block.ordered ? block.items.map((item, at) => `${block.start + at}. ${said(item)}`).join(" ") : block.items.map(said).join(", ");
  });
  const line = blocks.join(" ").replace(/\s+/g, " ").trim();
  return line.endsWith("…") ? line.replace(/(^|\s)(?:\*\*|\*|`)(?=\S)/g, "$1") : line;
}

/** The words of a piece, without its marks. */
export function said(parts: readonly Inline[]): string {
  return parts.map((part) => ("inside" in part ? said(part.inside) : part.text)).join("");
}

function kindOf(line: string): "blank" | "fence" | "quote" | "item" | "plain" {
  if (line.trim() === "") return "blank";
  if (FENCE.test(line)) return "fence";
  if (/^ {0,3}>/.test(line)) return "quote";
  return ITEM.test(line) ? "item" : "plain";
}

function ordered(line = ""): boolean {
  return ITEM.exec(line)?.[1] !== undefined;
}

function list(lines: string[]): Block {
  const found = lines.map((line) => ITEM.exec(line));
  const first = found[0]?.[1];
  return { is: "list", ordered: first !== undefined, start: Number(first ?? 1), items: found.map((one) => inline(one?.[2] ?? "")) };
}

/** Where bold or italic may have begun: the place among the parts so far. */
interface Opening {
  mark: "**" | "*";
  part: number;
}

/** A run of text as parts. At most one bold and one italic are open at a time, so nothing nests deeper. */
export function inline(text: string): Inline[] {
  const parts: Inline[] = [];
  const open: Opening[] = [];
  const marks = /`|\*\*?|https?:\/\//gi;
  let from = 0; // what is before it is in `parts`
  let codeMayEnd = true; // there is another backtick ahead
  const say = (piece: string): void => {
    if (piece !== "") parts.push({ is: "text", text: piece });
  };
  for (let found = marks.exec(text); found; found = marks.exec(text)) {
    const { 0: mark, index } = found;
    const after = index + mark.length;
    if (mark === "`") {
      const closing: number = codeMayEnd ? text.indexOf("`", after) : -1;
      codeMayEnd = closing >= 0;
      if (closing <= after) continue;
      say(text.slice(from, index));
      parts.push({ is: "code", text: text.slice(after, closing) });
      from = marks.lastIndex = closing + 1;
    } else if (mark === "*" || mark === "**") {
      const opening = open.find((one) => one.mark === mark);
      const before = text[index - 1] ?? " ";
      const next = text[after] ?? " ";
      const ends = opening !== undefined && !/\s/.test(before) && !LATIN.test(next);
      const begins = !/\s/.test(next) && !LATIN.test(before);
      if (!ends && !begins) continue;
      say(text.slice(from, index));
      from = after;
      if (ends && parts.length > opening.part + 1) {
        const inside = parts.splice(opening.part).slice(1);
        parts.push({ is: mark === "*" ? "em" : "strong", inside });
        open.splice(open.indexOf(opening)); // what began inside and did not end is no mark
      } else {
        if (opening) open.splice(open.indexOf(opening));
        open.push({ mark, part: parts.length });
        parts.push({ is: "text", text: mark });
      }
    } else {
      const run = addressRun(text, index);
      const written = withoutPunctuation(run);
      marks.lastIndex = index + run.length; // it holds no other mark, and shall be looked at once
      if (webAddress(written) === undefined || WORD.test(text[index - 1] ?? " ")) continue;
      say(text.slice(from, index));
      parts.push({ is: "link", href: written, text: written });
      from = index + written.length;
    }
  }
  say(text.slice(from));
  return joined(parts);
}

/** Pieces of text that lie side by side, as one. */
function joined(parts: Inline[]): Inline[] {
  const whole: Inline[] = [];
  let run: string[] = [];
  const flush = (): void => {
    if (run.length > 0) whole.push({ is: "text", text: run.join("") });
    run = [];
  };
  for (const part of parts) {
    if (part.is === "text") {
      run.push(part.text);
      continue;
    }
    flush();
    whole.push("inside" in part ? { ...part, inside: joined(part.inside) } : part);
  }
  flush();
  return whole;
}

// No blanks, no quotes, and nothing that turns the direction of what is read.
const ADDRESS = /[^\s<>"`*\\^{|}\p{Cc}\p{Cf}]+/uy;

function addressRun(text: string, index: number): string {
  ADDRESS.lastIndex = index;
  return ADDRESS.exec(text)?.[0] ?? "";
}

/** An address without what ends its sentence; a bracket belongs to it when it was opened in it. */
function withoutPunctuation(run: string): string {
  let unopened = 0;
  for (const char of run) unopened += char === ")" ? 1 : char === "(" ? -1 : 0;
  let end = run.length;
  for (; end > 0; end--) {
    const last = run[end - 1] ?? "";
    if (last === ")" && unopened > 0) unopened--;
    else if (!".,;:!?'…]".includes(last)) break;
  }
  return run.slice(0, end);
}

/** An address that may stand in a link: http or https and nothing else, with a host; as the browser writes it. */
export function webAddress(value: unknown, base?: string): string | undefined {
  if (typeof value !== "string") return undefined;
  try {
    const url = new URL(value, base);
    const web = (url.protocol === "http:" || url.protocol === "https:") && url.hostname !== "";
    // What is before an @ looks like a host, and is none.
    return web && url.username === "" && url.password === "" ? url.href : undefined;
  } catch {
    return undefined;
  }
}
