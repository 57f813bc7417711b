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
 * - Up to `whole` rows are all in the page.
 *
 * It announces nothing, since rows come and go with scrolling: say new messages in a live region of your own. Rows
 * are `display: flow-root` boxes without margins of their own; distances between them are their padding.
 */

import { Component, type ComponentChild, type ComponentChildren, createRef, type JSX } from "preact";
import { type ReadonlySignal, signal, type Signal } from "@preact/signals";
import { Heights } from "./heights.ts";

interface VirtualProps<Row> {
  rows: readonly Row[];
  /** The same as long as the row is; no two alike. */
  keyOf: (row: Row) => string;
  /** The height of a row that was not drawn yet, in pixels. */
  estimate: (row: Row) => number;
  draw: (row: Row, index: number) => ComponentChild;
  /** A row that may stand elsewhere the next time, such as a divider: it is not what one reads, so nothing is held by it. */
  moves?: (row: Row) => boolean;
  /** Given the list once it stands, and null when it goes. */
  hold?: (list: VirtualList | null) => void;
  /** The first rows are near: a good moment to fetch older ones. Told again with each scroll and change while it is so. */
  onStart?: () => void;
  /** Whether the end is followed when one is there: not where newer rows are still to be fetched. */
  follow?: boolean;
  /** Up to so many rows are all drawn. */
  whole?: number;
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
/** So much is drawn above and below what is seen, in windows. */
const AROUND = 1;

export class Virtual<Row> extends Component<VirtualProps<Row>> implements VirtualList {
  readonly atEnd: Signal<boolean> = signal(true);
  readonly #box = createRef<HTMLDivElement>();
  readonly #edges = [createRef<HTMLDivElement>(), createRef<HTMLDivElement>()] as const; // above the first row, below the last
  readonly #heights: Heights<Row>;
  readonly #drawn = new Map<string, HTMLElement>();
  #observer: ResizeObserver | undefined;
  #range: [from: number, to: number] = [0, 0];
  #focused: { key: string; index: number } | undefined; // the row that holds the focus
  // The first rows seen, and how far they are scrolled. The first that is still there is held in place.
  #anchors: { key: string; index: number; below: number }[] = [];
  #top = 0; // where the list was scrolled to when last looked at
  #settling = 0;

  constructor(props: VirtualProps<Row>) {
    super(props);
    this.#heights = new Heights(props.keyOf, props.estimate);
  }

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
    const index = this.#heights.indexOf(key, this.#range[0]);
    if (index < 0) return false;
    this.atEnd.value = false;
    this.#anchors = [{ key, index, below: -(this.element?.clientHeight ?? 0) / 3 }];
    this.forceUpdate();
    return true;
  }

  rowOf(key: string): HTMLElement | undefined {
    return this.#drawn.get(key);
  }

  override render({ rows, keyOf, draw, moves, before, after, role, label, class: className = "" }: VirtualProps<Row>): JSX.Element {
    this.#heights.update(rows);
    this.#range = this.#window();
    const [from, to] = this.#range;
    const focused = this.#focused ? this.#heights.indexOf(this.#focused.key, this.#focused.index) : -1;
    const kept = focused < from || focused >= to ? focused : -1;
    const parts: ComponentChild[] = [];
    const gap = (start: number, end: number): void => {
      const height = this.#heights.top(end) - this.#heights.top(start);
      // Always there, so that what follows keeps its place among its siblings.
      parts.push(<div key={`gap ${parts.length === 0 ? "above" : end === rows.length ? "below" : "between"}`} aria-hidden="true" style={{ height: `${height}px` }} />);
    };
    const put = (index: number): void => {
      const row = rows[index];
      if (row === undefined) return;
      const key = keyOf(row);
      parts.push(
        <div key={key} ref={(element: HTMLDivElement | null) => { this.#hold(key, element); }} data-index={index} data-moves={moves?.(row) ? true : undefined} class="virtual-row">
          {draw(row, index)}
        </div>,
      );
    };
    gap(0, kept >= 0 && kept < from ? kept : from);
    if (kept >= 0 && kept < from) {
      put(kept);
      gap(kept + 1, from);
    }
    for (let index = from; index < to; index++) put(index);
    if (kept >= to) {
      gap(to, kept);
      put(kept);
    }
    gap(Math.max(to, kept + 1), rows.length);
    return (
      <div
        ref={this.#box}
        class={`virtual ${className}`}
        role={role}
        aria-label={label}
        aria-live="off"
        tabIndex={0}
        onScroll={this.#scrolled}
        onFocusIn={this.#focusMoved}
        onFocusOut={this.#focusMoved}
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

  readonly #focusMoved = (event: FocusEvent): void => {
    const inside = event.type === "focusin" ? event.target : event.relatedTarget;
    const row = inside instanceof Element ? inside.closest<HTMLElement>(".virtual-row") : null;
    const found = row ? [...this.#drawn].find(([, element]) => element === row) : undefined;
    this.#focused = found && row ? { key: found[0], index: Number(row.dataset["index"]) } : undefined;
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
    const up = scrollTop < this.#top;
    this.#top = scrollTop;
    const toEnd = scrollHeight - scrollTop - clientHeight;
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
        continue;
      }
      this.#observer?.observe(element);
      this.#heights.measured(Number(element.dataset["index"]), element.offsetHeight);
    }
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

  /** Draw other rows where the window shows some that are not drawn. */
  #extend(): void {
    const [from, to] = this.#window();
    const [drawnFrom, drawnTo] = this.#range;
    const spare = (this.element?.clientHeight ?? 0) / 2;
    const above = from >= drawnFrom || this.#heights.top(drawnFrom) < this.#top - spare;
    const below = to <= drawnTo || this.#heights.top(drawnTo) > this.#top + spare * 3;
    if (above && below) return;
    // Each drawing makes more heights known, so this ends; the number is for what nobody has thought of.
    if (this.#settling++ > 8) return;
    this.forceUpdate();
  }

  /** The row that is held in place, where it is now. */
  #held(): { key: string; index: number; below: number } | undefined {
    for (const { key, index, below } of this.#anchors) {
      const now = this.#heights.indexOf(key, index);
      if (now >= 0) return { key, index: now, below };
    }
    return undefined;
  }

  /** The rows to draw: those seen, and some around. */
  #window(): [from: number, to: number] {
    const { rows, whole = 200 } = this.props;
    if (rows.length <= whole) return [0, rows.length];
    const height = this.element?.clientHeight ?? 600;
    let top = this.#heights.total - height;
    if (!this.atEnd.peek()) {
      const anchor = this.#held();
      top = anchor ? this.#heights.top(anchor.index) + anchor.below : this.#top;
    }
    return [this.#heights.at(top - height * AROUND), this.#heights.at(top + height * (1 + AROUND)) + 1];
  }
}
