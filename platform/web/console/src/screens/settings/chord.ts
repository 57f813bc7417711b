/** A key that was pressed, as commands write it: `T`, `Shift+U`, `Mod+K` (Ctrl, on a Mac Cmd), `Alt+N`. */

const ALONE = new Set(["Shift", "Control", "Alt", "Meta", "AltGraph", "CapsLock", "Dead", "Process", "Unidentified"]);
const NAMES: Readonly<Record<string, string>> = { ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", " ": "Space" };

/** None: only a modifier, or a key that is being composed. */
export function chordOf(event: Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">): string | undefined {
  if (ALONE.has(event.key)) return undefined;
  const letter = event.key.length === 1 && event.key.toUpperCase() !== event.key.toLowerCase();
  const named = NAMES[event.key] ?? (letter ? event.key.toUpperCase() : event.key);
  const modifiers = [
    event.ctrlKey || event.metaKey ? "Mod" : "",
    event.altKey ? "Alt" : "",
    // The shift that makes `!` or `?` is part of the sign.
    event.shiftKey && (letter || event.key.length > 1) ? "Shift" : "",
  ];
  return [...modifiers, named].filter(Boolean).join("+");
}
