/**
 * A long list of which only the rows near the window are in the page.
 *
 * Promises:
 *
 * - Rows may have any height, and change it: what one reads stays where it is, also when older rows are put before
 *   it or a row above grows.
 * - At the end it stays at the end, until one scrolls up; elsewhere it never moves by itself, so that an answer may
 *   be written below without a jump.
 * - Rows stand in the page in the order of reading, as ordinary content: a screen reader reads them, the keyboard
 *   scrolls the list (it takes the focus), and a row that holds the focus stays in the page.
 * - Up to {@link WHOLE} rows are all in the page, and all of more where no `stretch.ts` is given.
 *
 * It announces nothing, since rows come and go with scrolling: say new messages in a live region of your own. Rows
 * are `display: flow-root` boxes without margins of their own; distances between them are their padding.
 */

import { Component, type ComponentChild, type ComponentChildren, createRef, type JSX } from "preact";
import { type ReadonlySignal, signal, type Signal } from "@preact/signals";
import type { Stretch } from "./stretch.ts";

/** Up to so many rows are all drawn. */
export const WHOLE = 200;

interface VirtualProps<Row> {
  rows: readonly Row[];
  /** The same as long as the row is; no two alike. */
  keyOf: (row: Row) => string;
  /** What says which rows of a long list are drawn. It may come later, and is then kept. */
  stretch?: (() => Stretch<Row>) | undefined;
  draw: (row: Row, index: number) => ComponentChild;
  /** A row that may stand elsewhere the next time, such as a divider: it is not what one reads, so nothing is held by it. */
  moves?: (row: Row) => boolean;
  /** Given the list once it stands, and null when it goes. */
  hold?: (list: VirtualList | null) => void;
  /** The first rows are near: a good moment to fetch older ones. Told again with each scroll and change while it is so. */
  onStart?: () => void;
  /** Whether the end is followed when one is there: not where newer rows are still to be fetched. */
  follow?: boolean;
  /** Above the first and below the last row. */
  before?: ComponentChildren;
  after?: ComponentChildren;
  class?: string;
  role?: "log" | "list" | "feed" | "group";
  label?: string;
}

/** What a list can be asked to do. */
export interface VirtualList {
  /** Whether the end is to be seen, and followed. */
  readonly atEnd: ReadonlySignal<boolean>;
  readonly element: HTMLElement | null;
  toEnd: () => void;
  /** Bring a row into view, a third from the top; false where it is not in the list. */
  toKey: (key: string) => boolean;
  /** The element of a row, if it is in the page. */
  rowOf: (key: string) => HTMLElement | undefined;
}

const NEAR_END_PX = 32;
const NEAR_START_PX = 400;
const ANCHORS = 4;

interface Held {
  key: string;
  index: number;
  below: number;
}

/** Where one is in the list. */
export interface Place {
  /** Of the window, in pixels. */
  height: number;
  /** How far the list is scrolled. */
  top: number;
  atEnd: boolean;
  /** The row that is held in place, and how far it is scrolled. */
  held: Held | undefined;
  /** The rows in the page, by key. */
  drawn: ReadonlyMap<string, HTMLElement>;
}

export class Virtual<Row> extends Component<VirtualProps<Row>> implements VirtualList {
  readonly atEnd: Signal<boolean> = signal(true);
  readonly #box = createRef<HTMLDivElement>();
  readonly #edges = [createRef<HTMLDivElement>(), createRef<HTMLDivElement>()] as const; // above the first row, below the last
  readonly #drawn = new Map<string, HTMLElement>();
  #observer: ResizeObserver | undefined;
  #stretch: Stretch<Row> | undefined;
  // The first rows seen, and how far they are scrolled. The first that is still there is held in place.
  #anchors: Held[] = [];
  #top = 0; // where the list was scrolled to when last looked at
  #most = 0; // how far it could be scrolled then
  #settling = 0;

  get element(): HTMLElement | null {
    return this.#box.current;
  }

  override componentDidMount(): void {
    this.#observer = new ResizeObserver(() => {
      this.getSnapshotBeforeUpdate();
      this.#settle();
    });
    for (const { current } of [this.#box, ...this.#edges]) if (current) this.#observer.observe(current);
    this.#settle();
    this.props.hold?.(this);
  }

  override componentWillUnmount(): void {
    this.#observer?.disconnect();
    this.props.hold?.(null);
  }

  override getSnapshotBeforeUpdate(): null {
    // One may have scrolled since, and the page not have said so yet.
    if (this.element && this.element.scrollTop !== this.#top) this.#look();
    return null;
  }

  override componentDidUpdate(before: VirtualProps<Row>): void {
    if (before.rows !== this.props.rows) this.#settling = 0;
    this.#settle();
  }

  toEnd(): void {
    this.atEnd.value = true;
    this.forceUpdate();
  }

  toKey(key: string): boolean {
    const index = this.#indexOf(key);
    if (index < 0) return false;
    this.atEnd.value = false;
    this.#anchors = [{ key, index, below: -(this.element?.clientHeight ?? 0) / 3 }];
    this.forceUpdate();
    return true;
  }

  rowOf(key: string): HTMLElement | undefined {
    return this.#drawn.get(key);
  }

  override render({ rows, keyOf, draw, moves, before, after, role, label, class: className = "", stretch }: VirtualProps<Row>): JSX.Element {
    if (!this.#stretch && stretch) {
      this.#stretch = stretch();
      this.#stretch.update(rows);
      this.#measure();
    }
    this.#stretch?.update(rows);
    const parts = (this.#stretch?.parts(this.#place()) ?? [...rows.keys()]).map((part) => {
      if (typeof part === "object") return <div key={`gap ${part.gap}`} aria-hidden="true" style={{ height: `${part.height}px` }} />;
      const row = rows[part];
      if (row === undefined) return null;
      const key = keyOf(row);
      return (
        <div key={key} ref={(element: HTMLDivElement | null) => { this.#hold(key, element); }} data-index={part} data-moves={moves?.(row) ? true : undefined} class="virtual-row">
          {draw(row, part)}
        </div>
      );
    });
    return (
      <div
        ref={this.#box}
        class={`virtual ${className}`}
        role={role}
        aria-label={label}
        aria-live="off"
        tabIndex={0}
        onScroll={this.#scrolled}
      >
        <div ref={this.#edges[0]}>{before}</div>
        {parts}
        <div ref={this.#edges[1]}>{after}</div>
      </div>
    );
  }

  readonly #scrolled = (): void => {
    this.#settling = 0;
    this.#look();
    this.#extend();
  };

  #hold(key: string, element: HTMLElement | null): void {
    const before = this.#drawn.get(key);
    if (before === element) return;
    if (element) {
      this.#drawn.set(key, element);
      this.#observer?.observe(element);
    } else if (before && !before.isConnected) {
      this.#drawn.delete(key);
      this.#observer?.unobserve(before);
    }
  }

  /** See where one has scrolled to. */
  #look(): void {
    const box = this.element;
    if (!box) return;
    const { scrollTop, clientHeight, scrollHeight } = box;
    const most = scrollHeight - clientHeight;
    // Where it has less or more to scroll than before, the browser may have moved it, and not whoever reads.
    const up = scrollTop < this.#top && most === this.#most;
    this.#top = scrollTop;
    this.#most = most;
    const toEnd = most - scrollTop;
    if (this.props.follow === false) this.atEnd.value = false;
    else if (toEnd <= NEAR_END_PX) this.atEnd.value = true;
    else if (up) this.atEnd.value = false;
    // Where one has jumped to, nothing is drawn yet, and nothing far away shall be held instead.
    const seen = [...this.#drawn].filter(
      ([, { offsetTop, offsetHeight, dataset }]) =>
        dataset["moves"] !== "true" && offsetTop + offsetHeight > scrollTop && offsetTop < scrollTop + clientHeight,
    );
    seen.sort(([, one], [, other]) => one.offsetTop - other.offsetTop);
    this.#anchors = seen.slice(0, ANCHORS).map(([key, element]) => ({ key, index: Number(element.dataset["index"]), below: scrollTop - element.offsetTop }));
    if (scrollTop < NEAR_START_PX) this.props.onStart?.();
  }

  /** After drawing: measure, put back what was seen where it was, and draw what is missing. */
  #settle(): void {
    const box = this.element;
    if (!box) return;
    for (const [key, element] of this.#drawn) {
      if (!element.isConnected) {
        this.#drawn.delete(key);
        this.#observer?.unobserve(element);
      } else this.#observer?.observe(element);
    }
    this.#measure();
    if (this.atEnd.peek()) {
      box.scrollTop = box.scrollHeight;
    } else {
      const anchor = this.#held();
      const element = anchor && this.#drawn.get(anchor.key);
      const wanted = element && element.offsetTop + anchor.below;
      if (wanted !== undefined && Math.abs(box.scrollTop - wanted) >= 1) box.scrollTop = wanted;
    }
    this.#top = box.scrollTop;
    const atEnd = this.atEnd.peek();
    this.#look();
    if (atEnd && this.props.follow !== false) this.atEnd.value = true;
    this.#extend();
  }

  #measure(): void {
    const stretch = this.#stretch;
    if (!stretch) return;
    for (const [key, { dataset, offsetHeight }] of this.#drawn) stretch.measured(stretch.indexOf(key, Number(dataset["index"])), offsetHeight);
  }

  /** Draw other rows where the window shows some that are not drawn. */
  #extend(): void {
    // Each drawing makes more heights known, so this ends; the number is for what nobody has thought of.
    if (this.#stretch?.lacks(this.#place()) && this.#settling++ <= 8) this.forceUpdate();
  }

  #indexOf(key: string, near?: number): number {
    const { rows, keyOf } = this.props;
    return this.#stretch ? this.#stretch.indexOf(key, near) : rows.findIndex((row) => keyOf(row) === key);
  }

  /** The row that is held in place, where it is now. */
  #held(): Held | undefined {
    for (const { key, index, below } of this.#anchors) {
      const now = this.#indexOf(key, index);
      if (now >= 0) return { key, index: now, below };
    }
    return undefined;
  }

  #place(): Place {
    return { height: this.element?.clientHeight ?? 600, top: this.#top, atEnd: this.atEnd.peek(), held: this.#held(), drawn: this.#drawn };
  }
}
