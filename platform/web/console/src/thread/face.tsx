/** Whoever speaks: a person as everywhere in the console, the assistant as its square. The shape says which it is. */

import type { JSX } from "preact";
import type { PublicUser } from "@deskbell/client";
import { bot } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { Avatar } from "../parts/avatar.tsx";

export function Face({ user, small = false }: { user: PublicUser | undefined; small?: boolean }): JSX.Element {
  if (user?.kind === "bot") {
    return (
      <span class={small ? "bot-mark t" : "bot-mark"}>
        <Icon of={bot} size={small ? 13 : 16} />
      </span>
    );
  }
  return <Avatar user={user ?? { id: "", name: "", avatar: null }} size={small ? "t" : "m"} />;
}
