/**
 * What a visitor or an agent loads before they can read anything, against its budget.
 *
 * A view is an entry, all that it imports, and what is fetched by the time its `shows` are on the screen, though it has
 * a file of its own; with the styles of each, and the largest catalog of texts. Counted as sent: compressed by gzip at
 * its best, which browsers that take brotli undercut. That no more is fetched is seen by a browser
 * (`tests/browser/test_sizes.py`).
 */

import { readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { gzipSync } from "node:zlib";
import type { Rolldown } from "vite";

export interface View {
  name: string;
  /** Bytes, gzipped. */
  budget: number;
  /** Sources that are on the screen, each a file or a folder below the project's root. */
  shows: string[];
}

export interface Weighed extends View {
  bytes: number;
  files: string[];
  /** Those that come later, and their bytes. */
  later: string[];
  laterBytes: number;
}

/** Weigh a view of what was built into a folder. A source it shows that is nowhere is an error: it has another name. */
export function weigh(view: View, chunks: Rolldown.OutputChunk[], folder: string, root: string, page?: string): Weighed {
  const sources = new Map(chunks.map((chunk) => [chunk, chunk.moduleIds.map((id) => relative(root, id).split(sep).join("/"))]));
  const holds = (chunk: Rolldown.OutputChunk, place: string): boolean =>
    sources.get(chunk)?.some((source) => source === place || source.startsWith(`${place}/`)) ?? false;
  const first = new Set<Rolldown.OutputChunk>();
  const take = (chunk: Rolldown.OutputChunk): void => {
    if (first.has(chunk)) return;
    first.add(chunk);
    for (const other of chunks) if (chunk.imports.includes(other.fileName)) take(other);
  };
  for (const chunk of chunks) if (chunk.isEntry) take(chunk);
  for (const place of view.shows) {
    const shown = chunks.filter((chunk) => holds(chunk, place));
    if (shown.length === 0) throw new Error(`${view.name} does not show ${place}: nothing of it was built`);
    shown.forEach(take);
  }
  const isCatalog = (chunk: Rolldown.OutputChunk): boolean => sources.get(chunk)?.every((source) => source.includes("/texts/")) ?? false;
  const catalogs = chunks.filter((chunk) => !first.has(chunk) && isCatalog(chunk));
  const largest = catalogs.toSorted((one, other) => other.code.length - one.code.length)[0];
  if (largest) take(largest);

  const names = (of: Iterable<Rolldown.OutputChunk>): Set<string> =>
    new Set([...of].flatMap((chunk) => [chunk.fileName, ...(chunk.viteMetadata?.importedCss ?? [])]));
  const files = names(first);
  if (page !== undefined) files.add(page);
  const later = [...names(chunks)].filter((name) => !files.has(name));
  const sum = (of: Iterable<string>): number => [...of].reduce((bytes, name) => bytes + gzipped(join(folder, name)), 0);
  return { ...view, bytes: sum(files), files: [...files], later, laterBytes: sum(later) };
}

function gzipped(path: string): number {
  return gzipSync(readFileSync(path), { level: 9 }).length;
}

/** A table for whoever builds; the views over their budget. */
export function report(views: Weighed[]): { table: string; over: Weighed[] } {
  const rows = views.map((view) => [
    view.name,
    view.bytes.toLocaleString("en"),
    view.budget.toLocaleString("en"),
    `${Math.round((100 * view.bytes) / view.budget)} %`,
    view.files.length.toLocaleString("en"),
    view.later.length === 0 ? "" : `${view.laterBytes.toLocaleString("en")} in ${view.later.length}`,
  ]);
  const head = ["view", "gzipped", "budget", "used", "files", "later"];
  const widths = head.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]?.length ?? 0)));
  const line = (cells: string[]): string =>
    cells.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join("  ").trimEnd();
  return { table: [head, ...rows].map(line).join("\n"), over: views.filter((view) => view.bytes > view.budget) };
}
