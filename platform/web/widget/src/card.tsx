/**
 * A card: `metadata` may hold `title`, `fields` of `label` and `value`, and `links` of `label` and `url`; the content is
 * its text. What is not of that shape is left out, and nothing of it is markup.
 */

import type { JSX } from "preact";
import { right } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { webAddress } from "@deskbell/ui/markup.ts";
import { Rich } from "@deskbell/ui/rich.tsx";
import type { Message } from "@deskbell/client";

const MOST_FIELDS = 20;
const MOST_LINKS = 6;

export function Card({ message }: { message: Message }): JSX.Element {
  const title = words(message.metadata["title"]);
  const fields = records(message.metadata["fields"])
    .map((field) => ({ label: words(field["label"]), value: words(field["value"]) }))
    .filter(({ value }) => value !== "")
    .slice(0, MOST_FIELDS);
  const links = records(message.metadata["links"])
    .map((link) => ({ label: words(link["label"]), href: webAddress(link["url"]) }))
    .filter(({ href }) => href !== undefined)
    .slice(0, MOST_LINKS);
  return (
    <div class="in-card">
      {title !== "" && <h3 dir="auto">{title}</h3>}
      {message.content !== "" && <Rich text={message.content} />}
      {fields.length > 0 && (
        <dl>
          {fields.map(({ label, value }) => (
            <div>
              <dt dir="auto">{label}</dt>
              <dd dir="auto">{value}</dd>
            </div>
          ))}
        </dl>
      )}
      {links.map(({ label, href }) => (
        <a class="btn wide" href={href} target="_blank" rel="noopener noreferrer nofollow">
          <span dir="auto">{label || href}</span> <Icon of={right} size={16} mirrors />
        </a>
      ))}
    </div>
  );
}

function words(value: unknown): string {
  return typeof value === "string" ? value.slice(0, 500) : typeof value === "number" ? String(value) : "";
}

function records(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter((one): one is Record<string, unknown> => typeof one === "object" && one !== null) : [];
}
