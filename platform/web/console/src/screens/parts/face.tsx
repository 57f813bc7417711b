/** Somebody's picture with their status, or the assistant's mark. Decoration: the name stands beside it. */

import type { PublicUser } from "@deskbell/client";
import { bot } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { JSX } from "preact";
import { Avatar } from "../../parts/avatar.tsx";

interface FaceProps {
  of: Pick<PublicUser, "id" | "name" | "kind" | "avatar">;
  size?: "t" | "m" | "l";
  status?: string | undefined;
}

export function Face({ of, size, status }: FaceProps): JSX.Element {
  if (of.kind === "bot") {
    return (
      <span class={`bot-mark ${size === "t" ? "t" : ""}`} aria-hidden="true">
        <Icon of={bot} size={size === "t" ? 13 : 16} />
      </span>
    );
  }
  return (
    <Avatar user={of} {...(size && { size })}>
      {status && <span class={`st ${status}`} />}
    </Avatar>
  );
}
