/** The mark of who speaks: a square face for the assistant, the bell for waiting, a portrait or initials for a person. */

import type { JSX } from "preact";
import { bellRing, bot } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";

interface FaceProps {
  of: "bot" | "waiting" | "person";
  name?: string | undefined;
  avatar?: string | null | undefined;
  /** The desk's address: a picture from anywhere else is not loaded. */
  desk?: string;
  small?: boolean;
}

/** Decoration: the name stands beside it. */
export function Face({ of, name = "", avatar, desk, small = false }: FaceProps): JSX.Element {
  const size = small ? " s" : "";
  if (of === "bot") return <span class={`avatar bot${size}`} aria-hidden="true"><Icon of={bot} size={small ? 15 : 20} /></span>;
  if (of === "waiting") return <span class={`avatar wait${size}`} aria-hidden="true"><Icon of={bellRing} size={small ? 15 : 20} /></span>;
  const picture = pictureOf(avatar, desk);
  return (
    <span class={`avatar person face-${tone(name)}${size}`} aria-hidden="true">
      {picture ? <img src={picture} alt="" /> : initials(name)}
    </span>
  );
}

/** A picture of the desk's own, or one that is in the address itself. */
export function pictureOf(avatar: string | null | undefined, desk: string | undefined): string | undefined {
  if (!avatar) return undefined;
  if (/^data:image\/(png|jpeg|webp|gif);/.test(avatar)) return avatar;
  try {
    const url = new URL(avatar, desk);
    return desk && url.origin === new URL(desk).origin ? url.href : undefined;
  } catch {
    return undefined;
  }
}

/** The first letters of the first and the last word. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const ends = words.length > 1 ? [words[0], words.at(-1)] : words;
  return ends.map((word) => Array.from(word ?? "")[0] ?? "").join("").toLocaleUpperCase();
}

/** One of four tones, always the same for a name. */
function tone(name: string): number {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 997;
  return (sum % 4) + 1;
}
