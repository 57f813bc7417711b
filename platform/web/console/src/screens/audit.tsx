/** The audit trail, for admins: who did what, latest first, narrowed, and looked through for what was changed later. */

import { check, warn } from "@deskbell/ui/drawings.ts";
import { Icon } from "@deskbell/ui/icon.tsx";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { goToRoom } from "../route.ts";
import { t, texts } from "../words.ts";
import { type Items, useRest } from "./rest.ts";
import { useLoaded } from "./parts/loaded.ts";
import { moment } from "./parts/moments.ts";
import { Empty, For, Page, Problem, Shown } from "./parts/page.tsx";
import { Choice, TextField } from "./parts/form.tsx";
import type { PersonEntry } from "./shapes.ts";
import "./audit.css";

interface Entry {
  number: number;
  at: string;
  actor: string;
  act: string;
  room: string | null;
  subject: string;
  details: Record<string, unknown>;
  hash: string;
}
type Trail = Items<Entry>;
interface State {
  entries: number;
  intact: boolean;
  broken_at: number | null;
  hash: string;
}

export function Audit(): JSX.Element {
  return (
    <For roles={["admin"]} title={t("screens.audit.title")}>
      <AuditHere />
    </For>
  );
}

function AuditHere(): JSX.Element {
  const rest = useRest();
  const [by, setBy] = useState("");
  const [act, setAct] = useState("");
  const [room, setRoom] = useState("");
  const [verified, setVerified] = useState<State | "asking" | { failed: unknown }>();
  const [failed, setFailed] = useState<unknown>();

  const people = useLoaded(async () => (await rest<Items<PersonEntry>>("GET", "/people?limit=100")).items, []);
  const names = new Map((people.value ?? []).map((one) => [one.user.id, one.user.name]));

  function query(cursor?: string): string {
    const asked = new URLSearchParams({ limit: "50" });
    if (by) asked.set("actor", by);
    if (act) asked.set("act", act);
    if (room) asked.set("room", room);
    if (cursor) asked.set("cursor", cursor);
    return `/audit?${asked.toString()}`;
  }
  const trail = useLoaded(() => rest<Trail>("GET", query()), [by, act, room]);
  const acts = [...new Set([...(act ? [act] : []), ...(trail.value?.items ?? []).map((entry) => entry.act)])].sort();

  async function more(cursor: string): Promise<void> {
    setFailed(undefined);
    try {
      const next = await rest<Trail>("GET", query(cursor));
      trail.put((was) => (was.next_cursor === cursor ? { ...next, items: [...was.items, ...next.items] } : was));
    } catch (thrown) {
      setFailed(thrown);
    }
  }

  async function verify(): Promise<void> {
    setVerified("asking");
    try {
      setVerified(await rest<State>("GET", "/audit/verify"));
    } catch (thrown) {
      setVerified({ failed: thrown });
    }
  }

  return (
    <Page
      title={t("screens.audit.title")}
      actions={
        <button type="button" class="btn" disabled={verified === "asking"} onClick={() => void verify()}>
          {t("screens.audit.verify")}
        </button>
      }
    >
      <div class="sc-body au">
        {verified !== undefined && <Verified state={verified} />}
        <div class="sc-pair">
          <Choice label={t("screens.audit.actor")} value={by} set={setBy} options={[["", t("screens.search.any")], ...[...names].map(([id, name]) => [id, name] as const)]} />
          <Choice label={t("screens.audit.act")} value={act} set={setAct} options={[["", t("screens.search.any")], ...acts.map((one) => [one, one] as const)]} />
          <TextField label={t("screens.audit.room")} value={room} set={(value) => { setRoom(value.trim()); }} dir="ltr" hint={t("screens.audit.room_hint")} />
        </div>
        <Shown of={trail} lines={9}>
          {({ items, next_cursor: cursor }) =>
            items.length === 0 ? (
              <Empty>{by || act || room ? t("screens.audit.none_such") : t("screens.audit.none")}</Empty>
            ) : (
              <>
                <table class="sc-table">
                  <thead>
                    <tr>
                      <th scope="col">{t("screens.audit.number")}</th>
                      <th scope="col">{t("screens.audit.at")}</th>
                      <th scope="col">{t("screens.audit.actor")}</th>
                      <th scope="col">{t("screens.audit.act")}</th>
                      <th scope="col">{t("screens.audit.details")}</th>
                    </tr>
                  </thead>
                  <tbody>
                    {items.map((entry) => (
                      <tr key={entry.number}>
                        <td data-of={t("screens.audit.number")} class="num sc-faint">{entry.number}</td>
                        <td data-of={t("screens.audit.at")} class="num"><time dateTime={entry.at}>{moment(entry.at, texts.language.value)}</time></td>
                        <td data-of={t("screens.audit.actor")} dir="auto">{names.get(entry.actor) ?? <span class="sc-code">{entry.actor}</span>}</td>
                        <td data-of={t("screens.audit.act")}><span class="sc-code">{entry.act}</span></td>
                        <td data-of={t("screens.audit.details")}><Details entry={entry} names={names} /></td>
                      </tr>
                    ))}
                  </tbody>
                </table>
                {failed !== undefined && <Problem error={failed} />}
                {cursor && (
                  <div>
                    <button type="button" class="btn" onClick={() => void more(cursor)}>{t("screens.more")}</button>
                  </div>
                )}
              </>
            )
          }
        </Shown>
      </div>
    </Page>
  );
}

/** People are named; anything else is told by its id. */
function Details({ entry, names }: { entry: Entry; names: ReadonlyMap<string, string> }): JSX.Element {
  const { room } = entry;
  const facts = Object.entries(entry.details);
  return (
    <div class="au-facts">
      {entry.subject && (names.has(entry.subject) ? <bdi>{names.get(entry.subject)}</bdi> : <span class="sc-code">{entry.subject}</span>)}
      {facts.map(([key, value]) => (
        <span key={key} class="au-fact">
          <small>{key}</small> <span dir="auto">{typeof value === "string" ? value : JSON.stringify(value)}</span>
        </span>
      ))}
      {room && (
        <button type="button" class="sc-link" onClick={() => { goToRoom(room, { list: "all" }); }}>
          {t("screens.audit.open")}
        </button>
      )}
    </div>
  );
}

function Verified({ state }: { state: State | "asking" | { failed: unknown } }): JSX.Element {
  if (state === "asking") return <p role="status" class="muted">{t("screens.audit.verifying")}</p>;
  if ("failed" in state) return <Problem error={state.failed} />;
  if (state.intact) {
    return (
      <div role="status" class="au-state">
        <p class="sc-said"><Icon of={check} size={16} /> {t("screens.audit.intact", { n: state.entries })}</p>
        {state.hash && <p class="sc-faint">{t("screens.audit.hash")} <span class="sc-code">{state.hash}</span></p>}
      </div>
    );
  }
  return (
    <p role="alert" class="sc-problem">
      <Icon of={warn} size={16} /> {t("screens.audit.broken", { at: state.broken_at ?? 0, n: state.entries })}
    </p>
  );
}
