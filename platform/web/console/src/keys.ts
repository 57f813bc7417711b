/**
 * The keyboard: which command a key means. Single keys mean something only while no field has the focus and nothing
 * lies above the frame, and can be switched off. Two keys in a row (`G then I`) have a second and a half.
 *
 * Which keys a command has is told by `commands.ts`.
 */

import { isComposing } from "@deskbell/ui/composing.ts";
import { type Command, commands, keysOf, possible } from "./commands.ts";
import { overlay } from "./overlays.ts";
import { preferences } from "./preferences.ts";

const SEQUENCE_MS = 1_500;
const THEN = " then ";

export const isMac = typeof navigator !== "undefined" && /Mac|iP(hone|ad|od)/.test(navigator.userAgent);

export type Pressed = Pick<KeyboardEvent, "key" | "code" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">;

/** A key event as keys are written: `Mod+Alt+E`, `Shift+U`, `?`. Empty for a modifier alone. */
export function keyName(event: Pressed, mac = isMac): string {
  if (["Control", "Meta", "Alt", "Shift", "AltGraph", "CapsLock", "Dead", "Process"].includes(event.key)) return "";
  const mod = mac ? event.metaKey : event.ctrlKey;
  // With Alt or Ctrl a keyboard may give another letter (Alt+N on a Mac is a tilde): then the key's place counts.
  const place = /^Key([A-Z])$/.exec(event.code)?.[1];
  let key = (mod || event.altKey) && place ? place : event.key;
  // A letter of another script: the place of the key stands for the Latin one.
  if (key.length === 1 && place && !/[a-z]/i.test(key)) key = place;
  const letter = key.length === 1 && key.toUpperCase() !== key.toLowerCase();
  if (key.length === 1) key = key.toUpperCase();
  if (key === " ") key = "Space";
  const parts = [mod && "Mod", !mac && event.metaKey && "Meta", mac && event.ctrlKey && "Ctrl", event.altKey && "Alt"];
  // Where Shift makes another sign, such as ?, the sign says it all.
  if (event.shiftKey && (letter || key.length > 1)) parts.push("Shift");
  return [...parts.filter(Boolean), key].join("+");
}

export function isSingle(keys: string): boolean {
  return !/\b(Mod|Alt|Ctrl|Meta)\+/.test(keys);
}

/** Where the focus is, as far as keys care. */
export type Focus = "none" | "field" | "control" | "layer";

export interface Heard {
  command?: Command;
  /** The first of two keys. */
  begun?: string;
}

/** What a key means. `begun`: the first key of a sequence, pressed a moment ago. Of two commands, the first possible one. */
export function meaning(name: string, begun: string | undefined, focus: Focus, known: Iterable<Command>, singleKeys: boolean): Heard {
  const whole = begun === undefined ? name : `${begun}${THEN}${name}`;
  let first: string | undefined;
  for (const command of known) {
    for (const keys of keysOf(command)) {
      if (isSingle(keys) && !allowed(command, keys, focus, singleKeys)) continue;
      if (keys === whole && possible(command)) return { command };
      if (begun === undefined && keys.startsWith(name + THEN)) first = name;
    }
  }
  return first === undefined ? {} : { begun: first };
}

function allowed(command: Command, keys: string, focus: Focus, singleKeys: boolean): boolean {
  if (command.inFields) return true;
  if (focus === "field" || focus === "layer") return false;
  // Enter and Space belong to the button or link that has the focus.
  if (focus === "control" && (keys === "Enter" || keys === "Space")) return false;
  return singleKeys || keys.length > 1 && !keys.includes(THEN) && !keys.startsWith("Shift+");
}

export function focusOf(target: EventTarget | null): Focus {
  if (overlay.peek()) return "layer";
  if (!(target instanceof Element)) return "none";
  if (target.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable=''], [contenteditable=true]")) return "field";
  if (target.closest("dialog, [role=dialog], [role=menu], [role=listbox]")) return "layer";
  if (target.closest("a, button, summary, [role=tab], [role=button]") && !target.closest("[data-row][aria-current=true]")) return "control";
  return "none";
}

/** Listen to the page's keyboard; what comes back stops it. */
export function listen(): () => void {
  let begun: { key: string; at: number } | undefined;
  const pressed = (event: KeyboardEvent): void => {
    // Behind a dialog nothing means anything, whatever the focus is on.
    if (event.defaultPrevented || isComposing(event) || document.querySelector("dialog:modal")) return;
    const name = keyName(event);
    if (!name) return;
    const before = begun && event.timeStamp - begun.at < SEQUENCE_MS ? begun.key : undefined;
    begun = undefined;
    const focus = focusOf(event.target);
    const { command, begun: first } = meaning(name, before, focus, commands.peek().values(), preferences.peek().singleKeys);
    if (first !== undefined) begun = { key: first, at: event.timeStamp };
    if (!command && first === undefined) return;
    event.preventDefault();
    if (command && !event.repeat) command.run();
    else if (command && /^(J|K|Arrow)/.test(name)) command.run();
  };
  addEventListener("keydown", pressed);
  return () => {
    removeEventListener("keydown", pressed);
  };
}

const SIGNS: Readonly<Record<string, string>> = {
  ArrowDown: "↓", ArrowUp: "↑", ArrowLeft: "←", ArrowRight: "→", Enter: "↵", Escape: "Esc",
};

/** Keys to be shown, one part for each keycap; `then` stands between two that follow each other. */
export function caps(keys: string): string[] {
  return keys.split(THEN).map((part) =>
    part
      .split("+")
      .map((key) => (key === "Mod" ? (isMac ? "⌘" : "Ctrl") : key === "Alt" && isMac ? "⌥" : key === "Shift" ? "⇧" : (SIGNS[key] ?? key)))
      .join(isMac ? "" : " "),
  );
}
