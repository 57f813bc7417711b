/** The details: each part loads by itself, and what is empty is left out. */

import type { Message, Participant } from "@deskbell/client";
import { lock } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import { plain } from "@deskbell/ui/markup.ts";
import type { ComponentChildren, JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { CaseRow } from "../records.ts";
import { goToRoom } from "../route.ts";
import { Face } from "../screens/parts/face.tsx";
import { useGathered, useLoaded } from "../screens/parts/loaded.ts";
import { moment } from "../screens/parts/moments.ts";
import { Waiting } from "../screens/parts/page.tsx";
import { type Items, useRest } from "../screens/rest.ts";
import { useDesk } from "../use-desk.ts";
import { nameOfUser } from "../visitors.ts";
import { t, texts } from "../words.ts";
import { arrangement, type SectionName } from "./arrangement.ts";
import { CaseFacts } from "./case.tsx";
import { Earlier } from "./earlier.tsx";
import { Facts, Section } from "./section.tsx";
import { type Contact, textOf, webAddress } from "./shapes.ts";

const GATHER_MS = 1000;

interface Part {
  title: string;
  end?: ComponentChildren;
  body: ComponentChildren;
}

export function Details({ room, arranging }: { room: string; arranging: boolean }): JSX.Element {
  const desk = useDesk();
  const rest = useRest();
  const row = desk.caseOf(room);
  const contact = useLoaded(() => rest<Contact>("GET", `/rooms/${room}/contact`), [room]);
  const pins = useLoaded(async () => (await rest<Items<Message>>("GET", `/rooms/${room}/pins`)).items, [room]);
  const people = useLoaded(async () => (await rest<Items<Participant>>("GET", `/rooms/${room}/participants?limit=50`)).items, [room]);

  const pinsSoon = useGathered(pins.again, GATHER_MS);
  const peopleSoon = useGathered(people.again, GATHER_MS);
  const contactSoon = useGathered(contact.again, GATHER_MS);
  useEffect(() => {
    const here = (soon: () => void) => (event: { room: string }): void => {
      if (event.room === room) soon();
    };
    const ends = [
      desk.client.on("changed", ({ room: where, message, before }) => {
        if (where === room && message.pinned !== before?.pinned) pinsSoon();
      }),
      desk.client.on("participant", here(peopleSoon)),
      desk.client.on("case", ({ case: changed }) => {
        if (changed.room === room) contactSoon();
      }),
    ];
    return () => {
      for (const end of ends) end();
    };
  }, [room]);

  const parts = new Map<SectionName, Part>();
  if (row) parts.set("case", { title: t("screens.context.case"), body: <CaseFacts row={row} /> });
  const handover = row?.handover;
  const handed = handover ? handoverFacts(handover) : [];
  if (handed.length) parts.set("handover", { title: t("screens.context.handover"), body: <Facts of={handed} /> });
  const known = contact.value;
  const verified = Object.entries(known?.attributes ?? {});
  const claimed = Object.entries(known?.claimed ?? {});
  if (verified.length || claimed.length) {
    parts.set("attributes", {
      title: t("screens.context.attributes"),
      end: verified.length + claimed.length,
      body: (
        <>
          {verified.length > 0 && <Facts of={verified.map(([key, value]) => [key, textOf(value)])} />}
          {claimed.length > 0 && (
            <>
              <p class="sc-faint cx-claimed">{t("screens.context.claimed")}</p>
              <Facts of={claimed.map(([key, value]) => [key, textOf(value)])} />
            </>
          )}
        </>
      ),
    });
  }
  const about = conversationFacts(known, row, desk.conversations.byRoom.value.get(room)?.opened_at);
  if (about.length) parts.set("conversation", { title: t("screens.context.conversation"), end: shortOf(known), body: <Facts of={about} /> });
  const viewers = desk.viewing.value.get(room) ?? [];
  const joined = (people.value ?? []).filter((one) => one.state === "joined");
  if (joined.length || viewers.length) {
    parts.set("people", {
      title: t("screens.context.people"),
      end: viewers.length ? t("screens.context.viewing", { n: viewers.length }) : joined.length,
      body: (
        <ul class="cx-people">
          {joined.map(({ user, role }) => (
            <li key={user.id}>
              <Face of={user} size="t" />
              <span class="cut" dir="auto">{nameOfUser(user)}</span>
              <small class="sc-faint">{user.kind === "bot" ? t("screens.board.assistant") : user.kind === "visitor" ? t("screens.board.visitor") : role === "member" ? "" : role}</small>
            </li>
          ))}
          {viewers.map((user) => (
            <li key={`v-${user.id}`}>
              <Face of={user} size="t" />
              <span class="cut" dir="auto">{user.name}</span>
              <small class="sc-faint">{t("screens.context.looks")}</small>
            </li>
          ))}
        </ul>
      ),
    });
  }
  if (pins.value?.length) {
    parts.set("pins", {
      title: t("screens.context.pins"),
      end: pins.value.length,
      body: (
        <ul class="cx-pins">
          {pins.value.map((message) => (
            <li key={message.id}>
              <button type="button" onClick={() => { goToRoom(room, { message: message.id }); }}>
                <span class="cx-two" dir="auto">{message.content || t("screens.context.no_text")}</span>
                <small class="sc-faint"><span dir="auto">{message.sender.name}</span> · {moment(message.created_at, texts.language.value)}</small>
              </button>
            </li>
          ))}
        </ul>
      ),
    });
  }
  const earlier = (known?.conversations ?? []).filter((one) => one.room !== room || (one.case !== null && one.case !== row?.id));
  if (earlier.length) parts.set("earlier", { title: t("screens.context.earlier"), end: earlier.length, body: <Earlier conversations={earlier} current={room} /> });

  const shown = arrangement.value.order.filter((name) => parts.has(name));
  const visitor = known?.user ?? row?.visitor ?? desk.conversations.byRoom.value.get(room)?.visitor;
  return (
    <div class="cx">
      {visitor && (
        <div class="cx-who">
          <Face of={visitor} size="l" />
          <div>
            <b dir="auto">{nameOfUser(visitor)}</b>
            {known?.email && <span dir="ltr" class="cx-mail">{known.email}</span>}
            {known && (
              <span>
                {known.identified ? <><Icon of={lock} size={13} /> {t("screens.context.identified")}</> : t("screens.context.not_identified")}
                {known.first_seen_at && ` · ${t("screens.context.since", { day: new Intl.DateTimeFormat(texts.language.value, { dateStyle: "medium" }).format(new Date(known.first_seen_at)) })}`}
              </span>
            )}
          </div>
        </div>
      )}
      {contact.slow && <Waiting lines={4} />}
      {shown.map((name) => {
        const part = parts.get(name);
        return part && <Section key={name} name={name} title={part.title} end={part.end} arranging={arranging} shown={shown}>{part.body}</Section>;
      })}
    </div>
  );
}

function handoverFacts(handover: Record<string, unknown>): [string, ComponentChildren][] {
  const found: [string, ComponentChildren][] = [];
  const { summary, mood } = handover;
  if (typeof summary === "string" && summary) found.push([t("screens.context.summary"), <span class="cx-wrap">{plain(summary)}</span>]);
  if (typeof mood === "string" && mood) found.push([t("screens.context.mood"), mood]);
  const facts = handover["facts"];
  if (typeof facts === "object" && facts !== null) for (const [key, value] of Object.entries(facts)) if (value !== "") found.push([key, textOf(value)]);
  return found;
}

const PAGE = ["url", "title", "referrer", "locale", "timezone", "browser", "user_agent"] as const;

function conversationFacts(contact: Contact | undefined, row: CaseRow | undefined, opened: string | undefined): [string, ComponentChildren][] {
  const found: [string, ComponentChildren][] = [];
  const page = contact?.page ?? {};
  for (const key of PAGE) {
    const value = page[key];
    if (value === undefined || value === null || value === "") continue;
    const address = webAddress(value);
    found.push([t(`screens.page.${key}`), address ? <a class="cx-wrap" href={address} target="_blank" rel="noopener noreferrer nofollow">{address}</a> : <span class="cx-wrap">{textOf(value)}</span>]);
  }
  for (const [key, value] of Object.entries(page)) if (!(PAGE as readonly string[]).includes(key)) found.push([key, <span class="cx-wrap">{textOf(value)}</span>]);
  if (row?.site) found.push([t("screens.context.site"), row.site]);
  const start = opened ?? contact?.conversations[0]?.opened_at ?? row?.opened_at;
  if (start) found.push([t("screens.context.start"), moment(start, texts.language.value)]);
  return found;
}

function shortOf(contact: Contact | undefined): string {
  const { browser, locale } = contact?.page ?? {};
  return [browser, locale].filter((one) => typeof one === "string" && one).join(", ");
}
