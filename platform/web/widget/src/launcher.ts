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
  readonly #words: HTMLSpanElement;

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
    this.#words = document.createElement("span");
    this.#words.className = "launcher-words";
    this.#words.dir = "auto";
    this.button.append(svg, this.#words, this.#count);
    this.open(false);
    place.append(this.button);
  }

  /** Its name for those who do not see it: the site's words, where it has some, and what it does. */
  label(text: string): void {
    const words = this.#words.textContent;
    this.button.setAttribute("aria-label", words ? `${words} – ${text}` : text);
  }

  /** The site's words beside the bell. */
  words(words: string): void {
    this.#words.textContent = words;
    this.button.classList.toggle("has-words", words !== "");
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
