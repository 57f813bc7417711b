/** Style sheets of the widget's shadow root. Parts that are fetched later bring theirs. */

let root: ShadowRoot | undefined;

/** Where sheets go from now on. */
export function dress(shadow: ShadowRoot): void {
  root = shadow;
}

export function adopt(css: string): void {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  root?.adoptedStyleSheets.push(sheet);
}
