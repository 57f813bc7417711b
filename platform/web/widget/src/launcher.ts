/**
 * The launcher: a round button with the bell, drawn without the chat's code. It says how many messages are unread or
 * which place in line one has, in its label too.
 */

import { bell, down } from "@deskbell/ui/drawings.ts";

const SVG = "http://www.w3.org/2000/svg";

export class Launcher {
  readonly button: HTMLButtonElement;
  readonly #path: SVGPathElement;
  readonly #count: HTMLSpanElement;

  constructor(place: HTMLElement) {
    const svg = document.createElementNS(SVG, "svg");
    for (const [name, value] of [["viewBox", "0 0 20 20"], ["aria-hidden", "true"], ["focusable", "false"]] as const) svg.setAttribute(name, value);
    this.#path = document.createElementNS(SVG, "path");
    svg.append(this.#path);
    this.#count = document.createElement("span");
    this.#count.className = "launcher-count";
    this.#count.hidden = true;
    this.#count.setAttribute("aria-hidden", "true"); // the label says it in a sentence
    this.button = document.createElement("button");
    this.button.type = "button";
    this.button.className = "launcher";
    this.button.append(svg, this.#count);
    this.open(false);
    place.append(this.button);
  }

  /** Its name for those who do not see it. */
  label(text: string): void {
    this.button.setAttribute("aria-label", text);
    this.button.title = "";
  }

  open(open: boolean): void {
    this.#path.setAttribute("d", open ? down : bell);
    this.button.classList.toggle("is-open", open);
    this.button.setAttribute("aria-expanded", String(open));
  }

  /** A number of unread messages, or a place in line; nothing: no mark. */
  mark(text: string, waiting: boolean): void {
    this.#count.textContent = text;
    this.#count.hidden = text === "";
    this.button.classList.toggle("is-waiting", waiting);
  }
}
