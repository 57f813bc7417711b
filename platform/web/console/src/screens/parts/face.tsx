/** Somebody's picture, or their initials on one of four quiet grounds. Decoration: the name stands beside it. */

import type { PublicUser } from "@deskbell/client";
import { bot } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { JSX } from "preact";

interface FaceProps {
  of: Pick<PublicUser, "id" | "name" | "kind" | "avatar"> | undefined;
  size?: "t" | "m" | "" | "l";
  status?: string | undefined;
}

/** The first letters of the first and the last word. */
export function initials(name: string): string {
  const words = name.match(/[\p{L}\p{N}]+/gu) ?? [];
  const first = /^./u.exec(words[0] ?? "?")?.[0] ?? "?";
  const last = words.length > 1 ? (/^./u.exec(words.at(-1) ?? "")?.[0] ?? "") : "";
  return (first + last).toLocaleUpperCase();
}

/** One of four grounds, always the same for one person. */
export function ground(id: string): number {
  let sum = 0;
  for (const letter of id) sum = (sum * 31 + letter.charCodeAt(0)) % 997;
  return (sum % 4) + 1;
}

export function Face({ of, size = "", status }: FaceProps): JSX.Element {
  if (of?.kind === "bot") {
    return (
      <span class={`bot-mark ${size === "t" ? "t" : ""}`} aria-hidden="true">
        <Icon of={bot} size={size === "t" ? 13 : 16} />
      </span>
    );
  }
  const picture = of?.avatar && /^(data:image\/|\/[^/])/.test(of.avatar) ? of.avatar : undefined;
  return (
    <span class={`av ${size} f${ground(of?.id ?? "")}`} aria-hidden="true">
      <span class="in">{picture ? <img src={picture} alt="" /> : initials(of?.name ?? "")}</span>
      {status && <span class={`st ${status}`} />}
    </span>
  );
}
