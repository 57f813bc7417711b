/**
 * The text of a message as nodes: nothing of it is ever markup. Put it where the direction of the text decides
 * (`dir="auto"`), and {@link rich.css} beside it.
 */

import type { ComponentChildren, JSX } from "preact";
import { useMemo } from "preact/hooks";
import { type Block, type Inline, read } from "./markup.ts";

interface RichProps {
  text: string;
  /** How many sources the answer names: `[1]` and so on up to it are drawn as small numbers. */
  sources?: number;
  /** What plain words become, such as those that name somebody. */
  mark?: ((text: string) => ComponentChildren) | undefined;
  /** What follows the last word, such as the caret of an answer that is being written. */
  tail?: ComponentChildren;
}

export function Rich({ text, sources = 0, mark, tail }: RichProps): JSX.Element {
  const blocks = useMemo(() => read(text), [text]);
  const last = blocks.length - 1;
  // A caret stands in the last line of text; after code and lists it stands below them.
  const inLine = blocks[last]?.is === "paragraph";
  return (
    <div class="rich">
      {blocks.map((block, at) => drawn(block, mark ?? (sources > 0 ? (words) => numbered(words, sources) : same), inLine && at === last ? tail : undefined))}
      {!inLine && tail}
    </div>
  );
}

type Mark = (text: string) => ComponentChildren;
const same: Mark = (text) => text;

function drawn(block: Block, mark: Mark, tail: ComponentChildren): JSX.Element {
  switch (block.is) {
    case "code":
      return (
        <pre dir="ltr" tabIndex={0}>
          <code>{block.text}</code>
        </pre>
      );
    case "quote":
      return <blockquote dir="auto">{inlines(block.inside, mark)}</blockquote>;
    case "list": {
      const items = block.items.map((item) => <li dir="auto">{inlines(item, mark)}</li>);
      return block.ordered ? <ol start={block.start}>{items}</ol> : <ul>{items}</ul>;
    }
    case "paragraph":
      return (
        <p dir="auto">
          {inlines(block.inside, mark)}
          {tail}
        </p>
      );
  }
}

function inlines(parts: Inline[], mark: Mark): ComponentChildren[] {
  return parts.map((part) => {
    switch (part.is) {
      case "text":
        return mark(part.text);
      case "code":
        return <code dir="ltr">{part.text}</code>;
      case "link":
        return (
          <a href={part.href} target="_blank" rel="noopener noreferrer nofollow" dir="ltr">
            {part.text}
          </a>
        );
      case "strong":
        return <strong>{inlines(part.inside, mark)}</strong>;
      case "em":
        return <em>{inlines(part.inside, mark)}</em>;
    }
  });
}

/** `[2]` as a small number where there are so many sources. */
function numbered(text: string, sources: number): ComponentChildren[] {
  return text.split(/\s?\[(\d{1,2})\]/).map((piece, at) => {
    if (at % 2 === 0) return piece;
    const known = Number(piece) >= 1 && Number(piece) <= sources;
    return known ? <sup class="cite">{piece}</sup> : `[${piece}]`;
  });
}
