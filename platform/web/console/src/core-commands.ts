/** The commands of the frame, the lists and the cases. Those of the thread are offered by the thread. */

import { bell, bot, check, eye, merge, moon, people, person, queue, retry, search, side, tag, up } from "@deskbell/ui/drawings.ts";
import { mergeTargets, ofOnePerson, resolveAll } from "./bulk.ts";
import { type Command, run } from "./commands.ts";
import type { Desk } from "./desk.ts";
import { picked, pick, pickNone } from "./list/shown.ts";
import { afterThis, nextNeeding, step, takeNext } from "./moving.ts";
import { overlay, show, type Overlay } from "./overlays.ts";
import { drawer, focusMode, toggleContext, width } from "./panes.ts";
import { prefer, preferences } from "./preferences.ts";
import { areasOf, placeOfArea } from "./rail.tsx";
import type { CaseRow, ListName } from "./records.ts";
import { go, place } from "./route.ts";

type Page = NonNullable<Extract<Overlay, { kind: "menu" }>["page"]>;

const TABS: readonly ListName[] = ["mine", "queue", "all"];
const GO_KEYS: Readonly<Record<string, string>> = {
  inbox: "G then I", board: "G then B", search: "G then S", people: "G then P", moderation: "G then M", settings: "G then ,",
};

export function coreCommands(desk: Desk): Command[] {
  return [...caseCommands(desk), ...listCommands(desk), ...windowCommands(desk), ...goCommands(desk)];
}

function caseCommands(desk: Desk): Command[] {
  const shown = (): CaseRow | undefined => {
    const room = desk.selected.peek();
    return room === undefined ? undefined : desk.caseOf(room);
  };
  /** The cases that are meant: those picked, else the one shown. */
  const meant = (): string[] => {
    const row = shown();
    return picked.peek().size ? [...picked.peek()] : row ? [row.id] : [];
  };
  const isOpen = (): boolean => picked.peek().size > 0 || ["waiting", "assigned", "snoozed"].includes(shown()?.status ?? "");
  const mayMerge = (): boolean => {
    const row = shown();
    if (picked.peek().size > 0) return ofOnePerson([...picked.peek()].flatMap((id) => desk.cases.peek().get(id) ?? []));
    return isOpen() && row !== undefined && mergeTargets(desk, row).length > 0;
  };
  const botOwned = (): boolean => {
    const room = desk.selected.peek();
    return room !== undefined && (shown() === undefined || shown()?.status === "resolved") && desk.conversations.byRoom.peek().has(room);
  };
  const ask = (page: Page) => () => {
    show({ kind: "menu", page, cases: meant() });
  };
  const resolve = (on: boolean) => async (): Promise<void> => {
    if (picked.peek().size) return resolveAll(desk, [...picked.peek()]);
    const row = shown();
    if (!row) return;
    const next = on ? afterThis(desk) : undefined;
    if (await desk.act.resolve(row)) next?.();
  };
  return [
    {
      id: "case.claim", title: "command.claim", group: "case", keys: ["T"], icon: bell,
      when: () => shown()?.status === "waiting" || botOwned() || (desk.selected.peek() === undefined && desk.lists("queue").peek().length > 0),
      run: () => {
        if (run("thread.take-over")) return; // one writes there then
        const row = shown();
        if (row?.status === "waiting") void desk.act.claim(row);
        else if (desk.selected.peek() !== undefined) void desk.act.takeOver(desk.selected.peek() ?? "");
        else void takeNext(desk);
      },
    },
    {
      id: "case.next", title: "command.next", group: "conversation", keys: ["N"], icon: queue,
      run: () => {
        if (!nextNeeding(desk) && desk.selected.peek() === undefined) void takeNext(desk);
      },
    },
    {
      id: "case.take", title: "command.take", group: "case", icon: bell,
      when: () => desk.lists("queue").peek().length > 0,
      run: () => void takeNext(desk),
    },
    { id: "case.assign", title: "command.assign", group: "case", keys: ["A"], icon: person, when: isOpen, run: ask("assign") },
    { id: "case.transfer", title: "command.transfer", group: "case", icon: people, when: () => isOpen() && picked.peek().size === 0, run: ask("transfer") },
    {
      id: "case.queue", title: "command.queue", group: "case", icon: queue,
      when: () => shown()?.status === "assigned",
      run: () => {
        const row = shown();
        if (row) void desk.act.giveBack(row, "queue");
      },
    },
    {
      id: "case.bot", title: "command.bot", group: "case", icon: bot,
      when: () => isOpen() && shown() !== undefined,
      run: () => {
        const row = shown();
        if (row) void desk.act.giveBack(row, "bot");
      },
    },
    { id: "case.resolve", title: "command.resolve", group: "case", keys: ["E", "Alt+E"], icon: check, when: isOpen, run: () => void resolve(false)() },
    { id: "case.resolve-next", title: "command.resolve-next", group: "case", keys: ["Mod+Alt+E"], icon: check, when: isOpen, run: () => void resolve(true)() },
    {
      id: "case.reopen", title: "command.reopen", group: "case", icon: retry,
      when: () => ["resolved", "snoozed"].includes(shown()?.status ?? ""),
      run: () => {
        const row = shown();
        if (row) void desk.act.reopen(row);
      },
    },
    {
      id: "case.snooze", title: "command.snooze", group: "case", keys: ["Z", "Alt+M"], icon: moon,
      when: () => picked.peek().size > 0 || shown()?.status === "assigned" || shown()?.status === "snoozed",
      run: () => {
        show({ kind: "snooze", cases: meant() });
      },
    },
    { id: "case.labels", title: "command.labels", group: "case", keys: ["L"], icon: tag, when: isOpen, run: ask("labels") },
    { id: "case.priority", title: "command.priority", group: "case", keys: ["!"], icon: up, when: () => isOpen() && picked.peek().size === 0, run: ask("priority") },
    { id: "case.merge", title: "command.merge", group: "case", icon: merge, when: mayMerge, run: ask("merge") },
  ];
}

function listCommands(desk: Desk): Command[] {
  const inbox = (): boolean => place.peek().screen === "inbox";
  return [
    { id: "list.down", title: "command.down", group: "list", keys: ["J", "ArrowDown"], silent: true, when: inbox, run: () => { step(desk, 1); } },
    { id: "list.up", title: "command.up", group: "list", keys: ["K", "ArrowUp"], silent: true, when: inbox, run: () => { step(desk, -1); } },
    {
      id: "list.pick", title: "command.pick", group: "list", keys: ["X"],
      when: () => inbox() && desk.selected.peek() !== undefined,
      run: () => {
        const row = desk.caseOf(desk.selected.peek() ?? "");
        if (row) pick(row.id);
      },
    },
    {
      id: "list.tab", title: "command.tab", group: "list", keys: ["Alt+N"],
      run: () => {
        const now = place.peek();
        const at = now.screen === "inbox" ? TABS.indexOf(now.list) : -1;
        go({ screen: "inbox", list: TABS[(at + 1) % TABS.length] ?? "mine" });
      },
    },
    {
      id: "window.leave", title: "command.leave", group: "window", keys: ["Escape"], inFields: true, silent: true,
      when: () => overlay.peek() === undefined,
      run: () => {
        leave(desk);
      },
    },
  ];
}

/** Esc: out of the field (what was written stays), then out of what is open, one thing at a time. */
function leave(desk: Desk): void {
  const focused = document.activeElement;
  const now = place.peek();
  if (focused instanceof HTMLElement && focused.matches("input, textarea, select, [contenteditable]")) {
    const room = desk.selected.peek();
    const row = [...document.querySelectorAll<HTMLElement>("[data-row]")].find((link) => link.dataset["row"] === room);
    focused.blur();
    row?.focus();
  } else if (drawer.peek()) drawer.value = undefined;
  else if (focusMode.peek()) focusMode.value = false;
  else if (picked.peek().size) pickNone();
  else if (now.screen === "inbox" && now.room !== undefined) go({ screen: "inbox", list: now.list });
}

function windowCommands(desk: Desk): Command[] {
  return [
    { id: "window.menu", title: "command.menu", group: "window", keys: ["Mod+K"], icon: search, silent: true, run: () => { show({ kind: "menu" }); } },
    { id: "window.search", title: "command.search", group: "window", keys: ["/"], icon: search, run: () => { go({ screen: "search", q: "" }); } },
    { id: "window.shortcuts", title: "shortcuts.title", group: "window", keys: ["?"], run: () => { show({ kind: "shortcuts" }); } },
    { id: "window.context", title: "command.context", group: "window", keys: ["Alt+O"], icon: side, when: () => desk.selected.peek() !== undefined, run: toggleContext },
    {
      id: "window.focus", title: "command.focus", group: "window", keys: ["F"], icon: eye,
      when: () => desk.selected.peek() !== undefined && width.peek() !== "narrow",
      run: () => {
        focusMode.value = !focusMode.peek();
      },
    },
    {
      id: "window.views", title: "command.views", group: "window",
      run: () => {
        if (width.peek() === "wide") prefer({ viewsOpen: !preferences.peek().viewsOpen });
        else drawer.value = drawer.peek() === "views" ? undefined : "views";
      },
    },
    {
      id: "window.density", title: "command.density", group: "window",
      run: () => {
        prefer({ density: preferences.peek().density === "condensed" ? "expanded" : "condensed" });
      },
    },
    {
      id: "window.theme", title: "command.theme", group: "window", icon: moon,
      run: () => {
        prefer({ theme: document.documentElement.dataset["theme"] === "dark" ? "light" : "dark" });
      },
    },
  ];
}

function goCommands(desk: Desk): Command[] {
  const areas = [...areasOf(desk.me.peek().role), "settings" as const];
  return [
    ...areas.map((area): Command => {
      const keys = GO_KEYS[area];
      return { id: `go.${area}`, title: `screen.${area}`, group: "go", ...(keys && { keys: [keys] }), run: () => { go(placeOfArea(area)); } };
    }),
    { id: "go.queue", title: "list.queue", group: "go", keys: ["G then Q"], run: () => { go({ screen: "inbox", list: "queue" }); } },
    { id: "go.bot", title: "list.bot", group: "go", keys: ["G then A"], run: () => { go({ screen: "inbox", list: "bot" }); } },
    { id: "go.all", title: "list.all", group: "go", run: () => { go({ screen: "inbox", list: "all" }); } },
    { id: "go.snoozed", title: "list.snoozed", group: "go", run: () => { go({ screen: "inbox", list: "snoozed" }); } },
    { id: "go.resolved", title: "list.resolved", group: "go", run: () => { go({ screen: "inbox", list: "resolved" }); } },
  ];
}
