/** A person as a small round picture, or their initials on one of four papers. Decoration: the name stands beside it. */

import type { PublicUser } from "@deskbell/client";
import type { ComponentChildren, JSX } from "preact";

interface AvatarProps {
  user: Pick<PublicUser, "id" | "name" | "avatar">;
  /** t 18, m 28, the row's 36, l 44 pixels. */
  size?: "t" | "m" | "l";
  /** A badge on its corner. */
  children?: ComponentChildren;
}

export function Avatar({ user, size, children }: AvatarProps): JSX.Element {
  const picture = shown(user.avatar);
  return (
    <span class={`av f${paper(user.id)} ${size ?? ""}`} aria-hidden="true">
      <span class="in">{picture === undefined ? initials(user.name) : <img src={picture} alt="" loading="lazy" />}</span>
      {children}
    </span>
  );
}

/** The first letters of the first and the last word. */
export function initials(name: string): string {
  const words = name.match(/[\p{L}\p{N}]+/gu) ?? [];
  const letter = (word = ""): string => /^./u.exec(word)?.[0] ?? "";
  return (letter(words[0] ?? "?") + (words.length > 1 ? letter(words.at(-1)) : "")).toLocaleUpperCase();
}

/** Always the same for one person. */
function paper(id: string): number {
  let sum = 0;
  for (const letter of id) sum = (sum * 31 + letter.charCodeAt(0)) >>> 0;
  return (sum % 4) + 1;
}

/** Only what our own page may load: another host would be told who looks at whom. */
function shown(avatar: string | null): string | undefined {
  if (!avatar) return undefined;
  return avatar.startsWith("data:image/") || /^\/(?!\/)/.test(avatar) ? avatar : undefined;
}
