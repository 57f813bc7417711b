/**
 * What an agent can do, in one list: the command menu, the keyboard, the shortcut sheet and buttons all run the same.
 *
 * Keys are written as `T`, `Shift+U`, `Mod+K` (Ctrl, on a Mac Cmd), `Alt+N`, `G then I`. Reading them off an event is
 * left to `keys.ts`.
 */

import { signal } from "@preact/signals";
import { preferences } from "./preferences.ts";
import type { Key } from "./words.ts";

export type Group = "case" | "conversation" | "list" | "go" | "window";

export interface Command {
  id: string;
  title: Key;
  group: Group;
  /** Any of these; the first one is shown. An agent may have chosen others. */
  keys?: readonly string[];
  /** One of `drawings.ts`. */
  icon?: string;
  /** Whether it means anything now; always, where it is left out. */
  when?: () => boolean;
  /** Also while a field has the focus; those with Mod or Alt are so anyway. */
  inFields?: boolean;
  /** Left out of the command menu: movements, which only make sense as keys. */
  silent?: boolean;
  run: () => void;
}

export const commands = signal<ReadonlyMap<string, Command>>(new Map());

/** Offer commands; what comes back withdraws them. A second one of the same id takes the place of the first. */
export function register(...offered: Command[]): () => void {
  commands.value = new Map([...commands.value, ...offered.map((command): [string, Command] => [command.id, command])]);
  return () => {
    const kept = new Map(commands.value);
    for (const command of offered) if (kept.get(command.id) === command) kept.delete(command.id);
    commands.value = kept;
  };
}

/** The keys of a command: the agent's own choice, or what it comes with. */
export function keysOf(command: Command): readonly string[] {
  return preferences.value.keys[command.id] ?? command.keys ?? [];
}

export function possible(command: Command): boolean {
  return command.when?.() ?? true;
}

/** Run one by its id; false: there is none, or it means nothing now. */
export function run(id: string): boolean {
  const command = commands.value.get(id);
  if (!command || !possible(command)) return false;
  command.run();
  return true;
}
