/** As much of a page as drawing needs, in memory: nodes in their order, attributes, listeners and events that go up. */

type Listener = (this: unknown, event: Happening) => void;

export interface Happening {
  type: string;
  target?: PageNode;
}

export class PageNode {
  readonly nodeType: number;
  readonly localName: string;
  readonly namespaceURI: string | null;
  readonly childNodes: PageNode[] = [];
  readonly attributes = new Map<string, string>();
  readonly listeners = new Map<string, Set<Listener>>();
  readonly style: Record<string, string> = {};
  parentNode: PageNode | null = null;
  data = "";
  /** How often a node that stood somewhere was put elsewhere. */
  static moves = 0;

  constructor(nodeType: number, localName: string, namespaceURI: string | null = null) {
    this.nodeType = nodeType;
    this.localName = localName;
    this.namespaceURI = namespaceURI;
    // The state of a control, which is not its attribute.
    if (localName === "input") Object.assign(this, { value: "", checked: false });
  }

  get ownerDocument(): typeof page {
    return page;
  }

  get firstChild(): PageNode | null {
    return this.childNodes[0] ?? null;
  }

  get nextSibling(): PageNode | null {
    const all = this.parentNode?.childNodes ?? [];
    return all[all.indexOf(this) + 1] ?? null;
  }

  insertBefore(node: PageNode, before: PageNode | null): PageNode {
    if (node.parentNode) {
      PageNode.moves++;
      node.remove();
    }
    const at = before === null ? this.childNodes.length : this.childNodes.indexOf(before);
    if (at < 0) throw new Error("what it should stand before is not here");
    this.childNodes.splice(at, 0, node);
    node.parentNode = this;
    return node;
  }

  remove(): void {
    const all = this.parentNode?.childNodes ?? [];
    all.splice(all.indexOf(this), 1);
    this.parentNode = null;
  }

  setAttribute(name: string, value: unknown): void {
    this.attributes.set(name, String(value));
  }

  removeAttribute(name: string): void {
    this.attributes.delete(name);
  }

  addEventListener(type: string, listener: Listener): void {
    this.listeners.set(type, (this.listeners.get(type) ?? new Set()).add(listener));
  }

  removeEventListener(type: string, listener: Listener): void {
    this.listeners.get(type)?.delete(listener);
  }

  /** What happens goes up; `between` is done after each element that heard it, as a browser does what is to be done soon. */
  happens(type: string, between: () => void = () => undefined, event: Happening = { type, target: this }): void {
    for (const listener of [...(this.listeners.get(type) ?? [])]) {
      listener.call(this, event);
      between();
    }
    this.parentNode?.happens(type, between, event);
  }

  /** The node as text, as one would write it. */
  get outer(): string {
    if (this.nodeType === 3) return this.data;
    const names = [...this.attributes].sort().map(([name, value]) => ` ${name}="${value}"`);
    const rules = Object.entries(this.style).filter(([, value]) => value).sort().map(([rule, value]) => `${rule}:${value}`);
    const tag = this.namespaceURI?.endsWith("svg") ? `svg:${this.localName}` : this.localName;
    const state = "value" in this ? ` .value=${JSON.stringify(this.value)}` : "";
    return `<${tag}${names.join("")}${rules.length ? ` style="${rules.join(";")}"` : ""}${state}>${this.inner}</${tag}>`;
  }

  get inner(): string {
    return this.childNodes.map((node) => node.outer).join("");
  }
}

/** Stands where a browser has its `document`. */
export const page = {
  createElement: (tag: string): PageNode => new PageNode(1, tag, "http://www.w3.org/1999/xhtml"),
  createElementNS: (namespace: string, tag: string): PageNode => new PageNode(1, tag, namespace),
  createTextNode: (data: string): PageNode => Object.assign(new PageNode(3, "#text"), { data }),
};
