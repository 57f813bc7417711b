/** Small marks of a case: who owns it, how urgent it is, what it is labelled, how long it waits. */

import { bell, bot, clock, moon, warn } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { JSX } from "preact";
import type { CaseRow, Label, Row } from "../records.ts";
import { timerOf } from "../timers.ts";
import { useDesk } from "../use-desk.ts";
import { t } from "../words.ts";
import { Avatar } from "./avatar.tsx";

export type Owner = { kind: "bot" } | { kind: "wait" } | { kind: "human"; user: string };

/** Who answers: the assistant, nobody yet, or a person. */
export function ownerOf(row: Row): Owner {
  const { case: of, owner } = row;
  if (of?.status === "waiting") return { kind: "wait" };
  if (of?.agent && (of.status === "assigned" || of.status === "snoozed")) return { kind: "human", user: of.agent };
  if (owner?.kind === "agent" && owner.user) return { kind: "human", user: owner.user };
  if (of && owner?.kind === "nobody") return { kind: "wait" };
  return { kind: "bot" };
}

export function OwnerChip({ of }: { of: Owner }): JSX.Element {
  const desk = useDesk();
  if (of.kind === "bot") {
    return (
      <span class="own bot">
        <span class="bot-mark t">
          <Icon of={bot} size={13} />
        </span>
        <span class="word">{t("owner.bot")}</span>
      </span>
    );
  }
  if (of.kind === "wait") {
    return (
      <span class="own wait">
        <span class="bell-mark t">
          <Icon of={bell} size={13} />
        </span>
        <span class="word">{t("owner.wait")}</span>
      </span>
    );
  }
  const mine = of.user === desk.me.value.user.id;
  const agent = mine ? desk.me.value : desk.agents.value.find(({ user }) => user.id === of.user);
  const name = agent?.user.name ?? t("owner.colleague");
  return (
    <span class="own human">
      <Avatar user={agent?.user ?? { id: of.user, name, avatar: null }} size="t" />
      <span class="cut word">{mine ? t("owner.you") : name.split(" ")[0]}</span>
    </span>
  );
}

const PRIORITIES = ["priority.0", "priority.1", "priority.2"] as const;

export function priorityName(priority: number): string {
  return t(PRIORITIES[priority] ?? "priority.0");
}

/** Nothing for a normal one: only what stands out is marked. */
export function PriorityMark({ priority, always = false }: { priority: number; always?: boolean }): JSX.Element | null {
  if (priority <= 0 && !always) return null;
  const label = t("priority.is", { name: priorityName(priority) });
  if (priority >= 2) {
    return (
      <span class="prio p4" role="img" aria-label={label}>
        !
      </span>
    );
  }
  return (
    <span class={priority === 1 ? "prio p3" : "prio p2"} role="img" aria-label={label}>
      <i />
      <i />
      <i />
    </span>
  );
}

export function LabelChip({ label }: { label: Label }): JSX.Element {
  return (
    <span class="lab">
      {label.color && <span class="dot" style={{ background: label.color }} aria-hidden="true" />}
      <span class="cut" dir="auto">
        {label.name}
      </span>
    </span>
  );
}

const GLYPHS = { clock, warn, moon };

export function TimerMark({ of, last }: { of: CaseRow | undefined; last?: string | undefined }): JSX.Element | null {
  const { tone, text, glyph } = timerOf(of, useDesk().minute.value, last);
  if (!text) return null;
  return (
    <span class={`timer ${tone}`}>
      {glyph && <Icon of={GLYPHS[glyph]} size={13} />}
      {text}
    </span>
  );
}

