/** Between open conversations by key, also while one writes: then one goes on writing in the other. */

import type { Command } from "../commands.ts";
import type { Desk } from "../desk.ts";
import { prefer, preferences } from "../preferences.ts";
import type { Open } from "./open.ts";

const LOOK_MS = 50;
const LOOKS = 40;

export function tabCommands(desk: Desk, open: Open): Command[] {
  const several = (): boolean => preferences.peek().tabs && open.rooms.peek().length > 1;
  const moving = (move: () => void) => () => {
    const writing = document.activeElement?.closest(".comp") !== null && document.activeElement !== null;
    move();
    if (writing) writeOn(desk);
  };
  return [
    { id: "tab.next", title: "command.tab.next", group: "conversation", keys: ["Alt+J"], silent: true, when: several, run: moving(() => { open.step(1); }) },
    { id: "tab.previous", title: "command.tab.previous", group: "conversation", keys: ["Alt+K"], silent: true, when: several, run: moving(() => { open.step(-1); }) },
    {
      id: "tab.close", title: "command.tab.close", group: "conversation", keys: ["Alt+W"],
      when: () => several() && open.rooms.peek().includes(desk.selected.peek() ?? ""),
      run: moving(() => { open.close(desk.selected.peek() ?? ""); }),
    },
    { id: "window.tabs", title: "command.tabs", group: "window", run: () => { prefer({ tabs: !preferences.peek().tabs }); } },
  ];
}

/** The field of what is shown now takes the focus as soon as it is there, unless somebody took it elsewhere. */
function writeOn(desk: Desk, looks = LOOKS): void {
  const room = desk.selected.peek();
  setTimeout(() => {
    const elsewhere = document.activeElement !== null && document.activeElement !== document.body;
    if (elsewhere || desk.selected.peek() !== room) return;
    const thread = [...document.querySelectorAll<HTMLElement>(".thread[data-room]")].find((one) => one.dataset["room"] === room);
    const field = thread?.querySelector<HTMLElement>(".comp textarea");
    if (field) field.focus();
    else if (looks > 0) writeOn(desk, looks - 1);
  }, LOOK_MS);
}
