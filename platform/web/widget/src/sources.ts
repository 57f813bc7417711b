/** What an answer says it was taken from. */

import { webAddress } from "@deskbell/ui/markup.ts";
import type { Message } from "@deskbell/client";
import { sourceList } from "./message.tsx";

interface Source {
  title: string;
  href: string | undefined;
}

/** The sources of a message, whoever wrote them there: text, and an address only where it is one of the web. */
export function sourcesOf(message: Message): Source[] {
  return sourceList(message).map((one: unknown): Source => {
    const source = (typeof one === "object" && one !== null ? one : { title: one }) as Record<string, unknown>;
    const path = text(source["url"]) || text(source["path"]);
    const anchor = text(source["anchor"]);
    const href = webAddress(anchor && !path.includes("#") ? `${path}#${encodeURIComponent(anchor)}` : path);
    return { title: (text(source["title"]) || path || "?").slice(0, 200), href };
  });
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
