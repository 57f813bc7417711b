/** A person as a picture or initials, the assistant as its square: the shape says who it is where the colour is lost. */

import type { JSX } from "preact";
import type { PublicUser } from "@deskbell/client";
import { bot } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";

export function Face({ user, small = false }: { user: PublicUser | undefined; small?: boolean }): JSX.Element {
  if (user?.kind === "bot") {
    return (
      <span class={small ? "bot-mark t" : "bot-mark"}>
        <Icon of={bot} size={small ? 13 : 16} />
      </span>
    );
  }
  const tone = (Array.from(user?.id ?? "").reduce((sum, letter) => sum + (letter.codePointAt(0) ?? 0), 0) % 4) + 1;
  return (
    <span class={`av f${tone} ${small ? "t" : "m"}`} aria-hidden="true">
      <span class="in">{initials(user?.name ?? "")}</span>
    </span>
  );
}

export function initials(name: string): string {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const first = (word: string | undefined): string => Array.from(word ?? "")[0] ?? "";
  return (first(words[0]) + (words.length > 1 ? first(words.at(-1)) : "")).toLocaleUpperCase();
}
