/**
 * Brings a part of a face that has files of its own. The build puts this in the place of each `import()`
 * (`scripts/parts.ts`), so that no part is asked for in another way.
 *
 * A module that failed to load is remembered as failed as long as the page lives. So the files are fetched first, and
 * only what is here is imported, out of the browser's cache; what did not come may be asked for again. Where the server
 * answers that there is no such file, the page is of another build than the server: the face is told by `whenGone`.
 */

/** Whether styles lie in files beside the code, put in by the build. */
declare const STYLES_BESIDE: boolean;

/** On a line that went silent a request may wait for ever. */
const PATIENCE_MS = 10_000;

const brought: Record<string, Promise<unknown> | undefined> = {};
let gone: (() => void) | undefined;

/** What to do when the server has no such file any more: load a newer build. */
export function whenGone(work: () => void): void {
  gone = work;
}

/** The module of the first of these files, which lie beside this one; the others are what it takes with it. */
export function bring(files: string): Promise<unknown> {
  return (brought[files] ??= all(files.split(" ").map((file) => new URL(file, import.meta.url).href)).catch((thrown: unknown) => {
    brought[files] = undefined;
    throw thrown;
  }));
}

async function all(urls: string[]): Promise<unknown> {
  await Promise.all(urls.map(held));
  if (STYLES_BESIDE) await Promise.all(urls.filter((url) => url.endsWith(".css")).map(styled));
  return import(/* @vite-ignore */ urls[0] ?? "");
}

async function held(url: string): Promise<void> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(PATIENCE_MS) });
  if (answer.status === 404) gone?.();
  if (!answer.ok) throw new Error(url);
  await answer.blob();
}

async function styled(href: string): Promise<void> {
  if ([...document.styleSheets].some((sheet) => sheet.href === href)) return;
  const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href });
  const here = new Promise((resolve, reject) => {
    link.onload = resolve;
    link.onerror = reject;
  });
  document.head.append(link);
  await here;
}
