/** One drawing, in the colour of the text around it. Strokes grow as the drawing shrinks, so that they look equal. */

import type { JSX } from "preact";
import { more } from "./drawings.ts";

interface IconProps {
  /** One of `drawings.ts`. */
  of: string;
  /** Pixels at text scale 1; 20 where nothing is said. */
  size?: number;
  /** Arrows, back, send and lists look the other way in right-to-left text. */
  mirrors?: boolean;
}

/** Decoration: the word beside it, or the label of its button, says the same. */
export function Icon({ of, size = 20, mirrors = false }: IconProps): JSX.Element {
  const stroke = of === more ? 2.5 : size >= 20 ? 1.5 : size >= 16 ? 1.65 : 1.9;
  return (
    <svg
      class={mirrors ? "icon mirrors" : "icon"}
      width={size}
      height={size}
      viewBox="0 0 20 20"
      fill="none"
      stroke="currentColor"
      stroke-width={stroke}
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={of} />
    </svg>
  );
}
