/** What an answer of the assistant rests on. A title is text; it is a link only where the server gave a web address. */

import type { JSX } from "preact";
import type { Message } from "@deskbell/client";
import { book } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";

const SHOWN = 4;

export function Sources({ message }: { message: Message }): JSX.Element | null {
  const found = sourcesOf(message);
  if (found.length === 0) return null;
  return (
    <>
      {found.slice(0, SHOWN).map(({ title, href }) =>
        href === undefined ? (
          <span class="src" dir="auto" key={title}><Icon of={book} size={13} />{title}</span>
        ) : (
          <a class="src" dir="auto" key={title} href={href} target="_blank" rel="noopener noreferrer nofollow"><Icon of={book} size={13} />{title}</a>
        ),
      )}
      {found.length > SHOWN && <span class="src num">+{found.length - SHOWN}</span>}
    </>
  );
}

/** Metadata is anything at all: what is no source is left out. */
export function sourcesOf(message: Pick<Message, "metadata">): { title: string; href: string | undefined }[] {
  const sources = message.metadata["sources"];
  if (!Array.isArray(sources)) return [];
  return sources.flatMap((source: unknown) => {
    if (typeof source !== "object" || source === null) return [];
    const { title, path, url } = source as Record<string, unknown>;
    const named = [title, path].find((one) => typeof one === "string" && one.trim() !== "");
    if (typeof named !== "string") return [];
    const address = [url, path].find((one) => typeof one === "string" && /^https?:\/\//i.test(one));
    return [{ title: named.slice(0, 120), href: typeof address === "string" ? address : undefined }];
  });
}
