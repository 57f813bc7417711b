/** Where one arrives: a greeting, who is here, the conversation under way, and how to begin one. */

import type { JSX } from "preact";
import { bell, chat, moon, right } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { fetched } from "@deskbell/ui/lazy.tsx";
import { Face } from "./face.tsx";
import { CloseButton, MenuButton } from "./header.tsx";
import { Strip } from "./strip.tsx";
import { backOf, partOfDay, waitOf } from "./when.ts";
import type { Widget } from "./widget.ts";

export function Home({ widget }: { widget: Widget }): JSX.Element {
  const { texts, site, problem } = widget;
  const { name } = site.value;
  return (
    <div class="home">
      <div class="home-top">
        <div class="brand">
          {name && <span class="logo" aria-hidden="true">{Array.from(name)[0]}</span>}
          <b dir="auto">{name}</b>
          <span class="push" />
          <MenuButton widget={widget} />
          <CloseButton widget={widget} />
        </div>
        <Greeting widget={widget} />
        <Availability widget={widget} />
      </div>
      <Strip widget={widget} />
      <div class="home-body">
        <p class="error" role="alert">{problem.value !== undefined && texts.t("couldNotStart", { why: problem.value })}</p>
        <Resume widget={widget} />
        <Starts widget={widget} />
      </div>
      <p class="home-foot"><Icon of={bell} size={13} /> {texts.t("poweredBy")}</p>
    </div>
  );
}

function Greeting({ widget }: { widget: Widget }): JSX.Element {
  const { texts, site } = widget;
  const own = site.value.greeting[texts.language.value] ?? site.value.greeting["en"];
  if (own !== undefined) return <h2 dir="auto">{own}</h2>;
  const part = partOfDay(new Date().getHours());
  const name = widget.named.value;
  return (
    <h2>
      <bdi>{name === undefined ? texts.t(part) : texts.t(`${part}Name`, { name })}</bdi> <span>{texts.t("howHelp")}</span>
    </h2>
  );
}

function Availability({ widget }: { widget: Widget }): JSX.Element {
  const { texts, site, frame } = widget;
  const { open, opens_at, people, people_here, wait_s } = site.value;
  if (!open) {
    return (
      <div class="avail">
        <span class="dome s" aria-hidden="true"><Icon of={moon} size={16} /></span>
        <span><b class="plain">{backOf(opens_at, texts)}</b>{texts.t("assistantAwake")}</span>
      </div>
    );
  }
  const faces = people.length > 0 && (
    <span class="stack" aria-hidden="true">
      {people.map(({ name, avatar }) => <Face key={name} of="person" name={name} avatar={avatar} desk={frame.desk} />)}
    </span>
  );
  if (!people_here) return <div class="avail">{faces}<span><b class="plain">{texts.t("nobodyFree")}</b>{texts.t("leaveOrAsk")}</span></div>;
  const minutes = wait_s && Math.max(1, Math.round((wait_s[0] + wait_s[1]) / 120));
  return (
    <div class="avail">
      {faces}
      <span><b>{texts.t("peopleHere")}</b>{minutes === null ? texts.t("replySoon") : texts.t("replyIn", { n: minutes })}</span>
    </div>
  );
}

const plain = fetched(async () => (await import("./conversation.tsx")).plain);

/** The conversation of before, with its last line. */
function Resume({ widget }: { widget: Widget }): JSX.Element | null {
  const { texts, frame } = widget;
  const session = widget.session.value;
  const view = session.watched();
  if (!view) return null;
  const last = view.ordered().findLast(({ kind, deleted }) => kind !== "system" && !deleted);
  const person = session.lastPerson.value;
  const owner = session.owner.value;
  const unread = session.unread.value;
  const speaker = last && (last.sender.id === session.me.value?.id ? texts.t("you") : last.sender.name);
  return (
    <button type="button" class="resume" onClick={() => { widget.go("conversation"); }}>
      {owner === "waiting" ? <Face of="waiting" /> : person ? <Face of="person" name={person.name} avatar={person.avatar} desk={frame.desk} /> : <Face of="bot" />}
      <span>
        <b>{texts.t(owner === "closed" ? "closedChat" : "continueChat")}</b>
        <small dir="auto">{last ? <><bdi>{speaker}</bdi>: {plain()?.(last.content)}</> : texts.t("nothingYet")}</small>
      </span>
      {unread > 0 ? (
        <span class="dot">
          <span aria-hidden="true">{unread}</span>
          <span class="unseen">{texts.t("unreadCount", { n: unread })}</span>
        </span>
      ) : <Icon of={right} size={16} mirrors />}
    </button>
  );
}

function Starts({ widget }: { widget: Widget }): JSX.Element {
  const { texts, site, busy } = widget;
  const session = widget.session.value;
  const { open, choice, offline_form, wait_s } = site.value;
  const under = session.room.value !== undefined && session.owner.value !== "closed";
  if (!choice) {
    if (under) return <></>;
    return (
      <button type="button" class="btn ink wide" aria-busy={busy.value} onClick={() => void widget.start("assistant")}>
        <Icon of={chat} size={16} /> {texts.t("startChat")}
      </button>
    );
  }
  const leave = !open && offline_form;
  return (
    <div class="starts">
      <button type="button" class="start" aria-busy={busy.value} onClick={() => void widget.start("assistant")}>
        <Face of="bot" />
        <span><b>{texts.t("askAssistant")}</b><small>{texts.t("atOnce")}</small></span>
      </button>
      <button type="button" class="start" aria-busy={busy.value} onClick={() => void widget.start("person")}>
        <Face of="waiting" />
        <span>
          <b>{texts.t(leave ? "leaveMessage" : "talkToPerson")}</b>
          <small class="first-up">{leave ? texts.t("answerByEmail") : wait_s && open ? waitOf(wait_s, texts) : texts.t("leaveOrAsk")}</small>
        </span>
      </button>
    </div>
  );
}
