/** The head of the panel: who answers, the way to a person, menu and close; under it the counter line. */

import type { JSX } from "preact";
import { useSignal } from "@preact/signals";
import { bell, left, more, x } from "@deskbell/ui/drawings.ts";
import { endOf } from "@deskbell/ui/ending.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { atOnce, lazy } from "@deskbell/ui/lazy.tsx";
import { Face } from "./face.tsx";
import type { MenuProps } from "./menu.tsx";
import { Missing } from "./missing.tsx";
import { backOf, placeOf, timeOf, waitOf } from "./when.ts";
import type { Widget } from "./widget.ts";

const Menu = lazy<MenuProps>(async ({ widget }) => {
  const { Menu: made, teach } = await import("./menu.tsx");
  await teach(widget.texts);
  return made;
}, atOnce, Missing);

export function Header({ widget }: { widget: Widget }): JSX.Element {
  const { texts, screen } = widget;
  const conversation = screen.value === "conversation";
  const owner = conversation ? widget.session.value.owner.value : undefined;
  const titles = { prechat: texts.t("beforeWeStart"), offline: texts.t("leaveMessage") };
  return (
    <>
      <header class="head">
        <button type="button" class="icon-btn" aria-label={texts.t("back")} onClick={() => { widget.go("home"); }}>
          <Icon of={left} mirrors />
        </button>
        <div class="who">
          {screen.value === "prechat" || screen.value === "offline" ? <b>{titles[screen.value]}</b> : <Who widget={widget} />}
        </div>
        {owner === "bot" && <GetPerson widget={widget} />}
        <MenuButton widget={widget} />
        <CloseButton widget={widget} />
      </header>
      <div class={`counter ${owner === undefined || owner === "closed" ? "" : owner}`} aria-hidden="true" />
    </>
  );
}

export function CloseButton({ widget }: { widget: Widget }): JSX.Element {
  return (
    <button type="button" class="icon-btn" aria-label={widget.texts.t("close")} onClick={() => { widget.close(); }}>
      <Icon of={x} />
    </button>
  );
}

export function MenuButton({ widget }: { widget: Widget }): JSX.Element {
  const open = useSignal(false);
  return (
    <div class="menu-place">
      <button
        type="button"
        class="icon-btn"
        aria-label={widget.texts.t("menu")}
        aria-haspopup="dialog"
        aria-expanded={open.value}
        onClick={() => { open.value = !open.value; }}
      >
        <Icon of={more} />
      </button>
      {open.value && <Menu widget={widget} close={() => { open.value = false; }} />}
    </div>
  );
}

function Who({ widget }: { widget: Widget }): JSX.Element {
  const { texts, site, frame } = widget;
  const session = widget.session.value;
  const language = texts.language.value;
  const { ownCase, person } = session;
  const waiting = ownCase.value?.status === "waiting" ? ownCase.value : undefined;
  const place = waiting?.position == null ? undefined : placeOf(waiting.position, language);
  const assistant = site.value.assistant.name || texts.t("assistant");
  switch (session.owner.value) {
    case "waiting": {
      const wait = waiting?.wait ? waitOf(waiting.wait, texts) : waiting?.open === false ? backOf(waiting.opens_at, texts) : undefined;
      const line = place === undefined ? wait : wait === undefined ? texts.t("inLine", { place }) : texts.t("inLineFor", { place, wait });
      return <Named face={<Face of="waiting" />} name={texts.t("waitingForPerson")} line={line} />;
    }
    case "person": {
      const { name = texts.t("person"), avatar = null } = person.value ?? {};
      return <Named face={<Face of="person" name={name} avatar={avatar} desk={frame.desk} />} name={name} line={site.value.name} />;
    }
    case "closed": {
      const end = endOf(session.watched()?.messages.values() ?? []);
      const last = session.lastPerson.value;
      const line = end && texts.t("closedAt", { time: timeOf(new Date(end.created_at), language) });
      const face = last ? <Face of="person" name={last.name} avatar={last.avatar} desk={frame.desk} /> : <Face of="bot" />;
      return <Named face={face} name={last?.name ?? assistant} line={line} />;
    }
    case "bot":
      return <Named face={<Face of="bot" />} name={assistant} line={place === undefined ? texts.t("automatic") : texts.t("keepsPlace", { place })} />;
  }
}

function Named({ face, name, line }: { face: JSX.Element; name: string; line: string | undefined }): JSX.Element {
  return (
    <>
      {face}
      <div>
        <b dir="auto">{name}</b>
        {line && <span class="line">{line}</span>}
      </div>
    </>
  );
}

/** Always there while the assistant answers, unless the bell has rung already. */
function GetPerson({ widget }: { widget: Widget }): JSX.Element | null {
  const { texts } = widget;
  const session = widget.session.value;
  const busy = useSignal(false);
  if (session.room.value === undefined || session.ownCase.value?.status === "waiting") return null;
  const ask = async (): Promise<void> => {
    if (busy.value) return;
    busy.value = true;
    session.trouble.value = undefined;
    try {
      await session.askForPerson();
    } catch {
      session.trouble.value = texts.t("didNotWork");
    } finally {
      busy.value = false;
    }
  };
  return (
    <button type="button" class="person-btn" aria-label={texts.t("getPerson")} aria-busy={busy.value} onClick={() => void ask()}>
      <Icon of={bell} size={18} />
      <span class="long">{texts.t("getPerson")}</span>
      <span class="short">{texts.t("person")}</span>
    </button>
  );
}
