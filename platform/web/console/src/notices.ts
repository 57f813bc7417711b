/**
 * What calls an agent back to the page: the count in its title, one swing of the bell when somebody waits or a
 * conversation is given to them, and a notice of the desktop while the page is not looked at. Of several pages of one
 * browser, one rings.
 */

import { effect } from "@preact/signals";
import { ring, wake } from "./bell.ts";
import { isIn } from "./cases.ts";
import type { Desk } from "./desk.ts";
import { nameOfList } from "./list/names.ts";
import { noteWhereOneIs } from "./moving.ts";
import { preferences } from "./preferences.ts";
import type { CaseRow, ListName } from "./records.ts";
import { goToRoom, go, place } from "./route.ts";
import { say } from "./sayings.ts";
import { outgoingOf } from "./thread/outgoing.ts";
import { nameOfUser } from "./visitors.ts";
import { t } from "./words.ts";

const RUNG_MS = 3_000;

export class Notices {
  readonly #desk: Desk;
  readonly #before = new Map<string, { waits: boolean; mine: boolean }>();

  /** When the latest mention was written that was looked at. */
  #namedUntil: string | undefined;

  constructor(desk: Desk) {
    this.#desk = desk;
  }

  /** Begin; what comes back ends it. */
  start(): () => void {
    const desk = this.#desk;
    const stopWaking = wake();
    outgoingOf(desk.client); // hears of refusals from now on, whichever conversation is opened
    const ends = [
      stopWaking,
      effect(() => {
        document.title = this.#title();
      }),
      effect(() => {
        noteWhereOneIs(desk);
      }),
      effect(() => {
        this.#compare();
      }),
      effect(() => {
        this.#mentions();
      }),
      // A refusal is shown where it belongs; who is elsewhere is told, and nothing waits unseen.
      desk.client.on("notSent", ({ room, error }) => {
        const row = desk.caseOf(room);
        if (!row || error.code === "withdrawn" || desk.selected.peek() === room) return;
        const name = nameOfUser(row.visitor ?? { id: room, name: "" });
        say(t("notice.unsent", { name }), { bad: true, action: { title: t("notice.look"), run: () => { goToRoom(room); } } });
      }),
      this.#land(),
    ];
    return () => {
      for (const end of ends) end();
      document.title = t("app.name");
    };
  }

  #title(): string {
    const desk = this.#desk;
    const now = place.value;
    const where = now.screen === "inbox" ? nameOfList(desk, now.list) : t(`screen.${now.screen}`);
    const waiting = desk.countOf("queue") ?? 0;
    return `${waiting ? `(${waiting}) ` : ""}${where} – ${t("app.name")}`;
  }

  /** Which cases began to wait, or became mine, since the last look. */
  #compare(): void {
    const desk = this.#desk;
    const me = desk.me.value.user.id;
    const queue = new Set(desk.lists("queue").value.map(({ room }) => room));
    const complete = desk.store.complete.value;
    for (const row of desk.cases.value.values()) {
      const waits = row.status === "waiting" && queue.has(row.room);
      const mine = isIn(row, "mine", me, undefined);
      const before = this.#before.get(row.id);
      this.#before.set(row.id, { waits, mine });
      if (!complete || before === undefined && !fresh(row, desk.now.peek())) continue;
      const name = nameOfUser(row.visitor ?? { id: row.room, name: "" });
      if (waits && !before?.waits) void this.#tell(`waits/${row.id}/${row.version}`, t("notice.waits", { name }), row.room);
      else if (mine && before && !before.mine && desk.selected.peek() !== row.room) {
        void this.#tell(`mine/${row.id}/${row.version}`, t("notice.mine", { name }), row.room);
      }
    }
  }

  /** By whom one was named since the last look. */
  #mentions(): void {
    const all = this.#desk.mentions.value;
    if (!all) return;
    const before = this.#namedUntil;
    for (const { message, room, read } of all) {
      if (message.created_at > (this.#namedUntil ?? "")) this.#namedUntil = message.created_at;
      if (before === undefined || message.created_at <= before || read) continue;
      void this.#tell(`mention/${message.id}`, t("notice.mention", { name: message.sender.name }), room.id, "mentions");
    }
    this.#namedUntil ??= "";
  }

  /** Ring and show, in one page of this browser. */
  async #tell(what: string, text: string, room: string, list?: ListName): Promise<void> {
    const desk = this.#desk;
    const work = (): void => {
      const { sound, desktopNotices } = preferences.peek();
      if (sound) ring();
      if (!desktopNotices || document.visibilityState === "visible" || !("Notification" in window) || Notification.permission !== "granted") return;
      const notice = new Notification(t("app.name"), { body: text, tag: what });
      notice.onclick = () => {
        window.focus();
        goToRoom(room, { list: list ?? (desk.caseOf(room)?.status === "waiting" ? "queue" : "mine") });
        notice.close();
      };
    };
    // There are no locks outside a secure context, whatever the types say.
    const locks = navigator.locks as LockManager | undefined;
    if (!locks) {
      work();
      return;
    }
    await locks.request(`deskbell/console/rung/${what}`, { ifAvailable: true }, async (lock) => {
      if (!lock) return;
      work();
      await new Promise((resolve) => setTimeout(resolve, RUNG_MS));
    });
  }

  /** Who opens the bare console is shown what is theirs; where that is nothing, those who wait. */
  #land(): () => void {
    const desk = this.#desk;
    if (!/^\/console\/?$/.test(location.pathname)) return () => undefined;
    return effect(() => {
      const now = place.peek();
      if (desk.loading.value !== "done" || now.screen !== "inbox" || now.room !== undefined || location.pathname !== "/console") return;
      if (desk.lists("mine").peek().length === 0 && desk.lists("queue").peek().length > 0) go({ screen: "inbox", list: "queue" }, { replace: true });
    });
  }
}

/** A case nobody here knew: new, unless it is old and only now read. */
function fresh(row: CaseRow, now: number): boolean {
  return now - Date.parse(row.waiting_since ?? row.opened_at) < 60_000;
}
