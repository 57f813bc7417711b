/** A small choice of emoji. Arrow keys move in it, Esc leaves it; it holds one place in the order of tabbing. */

import type { JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

export const QUICK = ["👍", "❤️", "😀", "🎉", "😢", "🙏"];
const ALL =
  "😀 😄 😁 😅 😂 🙂 😉 😊 😍 😘 😜 🤔 😐 🙄 😬 😴 😕 😢 😭 😡 😱 🥳 🤗 🤝 👍 👎 👌 👏 🙏 💪 👋 🤞 ✅ ❌ ❓ 💡 🔥 ✨ 🎉 🎁 📦 🚚 🏠 📞 📧 📷 💳 🐞 ❤️ 💔 ☕ ⭐".split(
    " ",
  );
const COLUMNS = 8;

export interface EmojiProps {
  label: string;
  onPick: (emoji: string) => void;
  onLeave: () => void;
}

export function Emoji({ label, onPick, onLeave }: EmojiProps): JSX.Element {
  const grid = useRef<HTMLDivElement>(null);
  const focus = (index: number): void => {
    const buttons = grid.current?.querySelectorAll("button") ?? [];
    buttons[Math.max(0, Math.min(index, buttons.length - 1))]?.focus();
  };
  useLayoutEffect(() => {
    focus(0);
  }, []);
  const keys = (event: KeyboardEvent): void => {
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      onLeave();
      return;
    }
    const turned = grid.current && getComputedStyle(grid.current).direction === "rtl" ? -1 : 1;
    const steps: Record<string, number> = { ArrowRight: turned, ArrowLeft: -turned, ArrowDown: COLUMNS, ArrowUp: -COLUMNS };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    focus([...(event.currentTarget as HTMLElement).children].indexOf(event.target as Element) + step);
  };
  return (
    <div class="emoji" role="group" aria-label={label} ref={grid} onKeyDown={keys}>
      {ALL.map((emoji, at) => (
        <button type="button" key={emoji} tabIndex={at === 0 ? 0 : -1} onClick={() => { onPick(emoji); }}>
          {emoji}
        </button>
      ))}
    </div>
  );
}
