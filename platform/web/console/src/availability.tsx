/** Whether one is there, and, apart from that, whether one takes new conversations. */

import { gear } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { ComponentChildren, JSX } from "preact";
import { known } from "./acts.ts";
import { logOutNow } from "./app.tsx";
import { Avatar } from "./parts/avatar.tsx";
import { Popover } from "./parts/popover.tsx";
import type { Availability } from "./records.ts";
import { linkTo } from "./route.ts";
import { say } from "./sayings.ts";
import { useDesk } from "./use-desk.ts";
import { t } from "./words.ts";

const STATUSES = ["online", "busy", "away"] as const;

/** One word for both. */
function wordOf({ status, accepting }: Availability): string {
  if (status !== "online") return t(`avail.${status}`);
  return t(accepting ? "avail.accepting" : "avail.closed");
}

export function AvailabilityMenu({ arrow }: { arrow: ComponentChildren }): JSX.Element {
  const desk = useDesk();
  const { user } = desk.me.value;
  const now = desk.availability.value;
  const change = async (wanted: { status: Availability["status"]; accepting?: boolean }): Promise<void> => {
    try {
      await desk.setAvailability(wanted);
    } catch (thrown) {
      say(desk.act.reason(known(thrown)), { bad: true });
    }
  };
  const word = now ? wordOf(now) : user.name;
  const button = (
    <>
      <Avatar user={user} size="m">
        {now && <span class={`st ${now.status}`} />}
      </Avatar>
      <span class="unseen">{t("avail.of", { name: user.name })} </span>
      <span class="word">{word}</span>
      {arrow}
    </>
  );
  return (
    <Popover button={button} class="pill avail" label={t("avail.menu")} named={false} align="end">
      {(close) => (
        <>
          <h3 dir="auto">{user.name}</h3>
          {now &&
            STATUSES.map((status) => (
              <button
                type="button"
                role="menuitemradio"
                aria-checked={now.status === status}
                key={status}
                onClick={() => {
                  close();
                  void change({ status });
                }}
              >
                <span>
                  {t(`avail.${status}`)}
                  <small>{t(`avail.${status}.hint`)}</small>
                </span>
                <span class="end">{now.status === status ? "✓" : ""}</span>
              </button>
            ))}
          {now && (
            <>
              <hr />
              <button
                type="button"
                role="menuitemcheckbox"
                aria-checked={now.accepting}
                onClick={() => {
                  close();
                  void change({ status: now.status, accepting: !now.accepting });
                }}
              >
                <span>
                  {t("avail.take")}
                  <small>{t("avail.take.hint")}</small>
                </span>
                <span class="end">{now.accepting ? "✓" : ""}</span>
              </button>
            </>
          )}
          <hr />
          <a role="menuitem" {...linkTo({ screen: "settings" })}>
            <Icon of={gear} size={16} /> {t("screen.settings")}
          </a>
          <button type="button" role="menuitem" onClick={logOutNow}>
            {t("avail.logout")}
          </button>
        </>
      )}
    </Popover>
  );
}
