/**
 * The tokens on our own wrapper: what is set on the host element, a page could overrule with `* {…}`. The build does it
 * ahead of time.
 */

export function withinReach(css: string): string {
  return css.replace(/:root\s*,\s*/g, "").replace(/:host(?:\(([^)]*)\))?/g, ".desk$1");
}
