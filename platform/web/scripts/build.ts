/**
 * Build the faces into `platform/deskbell/faces/`, where the server finds them.
 *
 *     node scripts/build.ts [FOLDER]
 *
 * `widget.js` is the loader, under a name that never changes; all else is in `assets/` under names that hold a hash of
 * the content, and so may be kept for ever. Beside each text file lies the same compressed (`.br`, `.gz`), so that the
 * server only sends. Sizes over their budget end the build.
 */

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build, type InlineConfig, type Plugin, type Rolldown } from "vite";

const WEB = dirname(dirname(fileURLToPath(import.meta.url)));
const target = resolve(process.argv[2] ?? join(WEB, "../deskbell/faces"));
const fresh = `${target}.new`;

/** Gzipped bytes that a visitor or an agent loads before anything is to be seen. */
const BUDGETS = { loader: 10_000, chat: 40_000, console: 150_000 };

const shared: InlineConfig = {
  configFile: false,
  logLevel: "warn",
  root: WEB,
};

/**
 * Parts of the widget bring their styles with them: nothing is to be loaded beside them, and the code that would do so
 * need not travel.
 */
const nothingBeside: Plugin = {
  name: "nothing-beside",
  enforce: "pre",
  load: (id) => (id.includes("vite/preload-helper") ? "export const __vitePreload = (load) => load();" : undefined),
};

async function built(root: string, options: InlineConfig["build"], define: Record<string, string> = {}): Promise<Rolldown.OutputChunk[]> {
  const made = await build({
    ...shared,
    root: join(WEB, root),
    plugins: root === "widget" ? [nothingBeside] : [],
    // The console's assets have one address wherever its page is; the widget's lie where its script came from, which is
    // another place than the page they are used on.
    base: root === "widget" ? "./" : "/",
    define,
    build: { outDir: fresh, emptyOutDir: false, assetsDir: "assets", target: "es2022", modulePreload: root === "widget" ? false : { polyfill: false }, ...options },
  });
  return (made as Rolldown.RolldownOutput).output.filter((part) => part.type === "chunk");
}

/** The bytes of a chunk and of all it loads at once, gzipped. */
function weight(chunk: Rolldown.OutputChunk, all: Rolldown.OutputChunk[], seen = new Set<string>()): number {
  if (seen.has(chunk.fileName)) return 0;
  seen.add(chunk.fileName);
  const styles = [...(chunk.viteMetadata?.importedCss ?? [])].map((file) => gzipSync(readFileSync(join(fresh, file))).length);
  const others = all.filter((other) => chunk.imports.includes(other.fileName)).map((other) => weight(other, all, seen));
  return [gzipSync(chunk.code).length, ...styles, ...others].reduce((sum, bytes) => sum + bytes, 0);
}

function entry(chunks: Rolldown.OutputChunk[], what: keyof typeof BUDGETS): Rolldown.OutputChunk {
  const found = chunks.find((chunk) => chunk.isEntry);
  if (!found) throw new Error(`${what} has no entry`);
  const bytes = weight(found, chunks);
  console.log(`${what.padEnd(8)} ${String(bytes).padStart(7)} bytes gzipped of ${BUDGETS[what]}`);
  if (bytes > BUDGETS[what]) throw new Error(`${what} is over its budget`);
  return found;
}

function files(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
}

rmSync(fresh, { recursive: true, force: true });
mkdirSync(fresh, { recursive: true });

const chat = entry(
  await built("widget", {
    rolldownOptions: {
      input: join(WEB, "widget/src/chat.tsx"),
      preserveEntrySignatures: "exports-only",
      output: { entryFileNames: "assets/chat-[hash].js", chunkFileNames: "assets/[name]-[hash].js" },
    },
  }),
  "chat",
);
entry(
  await built(
    "widget",
    {
      rolldownOptions: {
        input: join(WEB, "widget/src/loader.ts"),
        output: { entryFileNames: "widget.js", format: "iife" },
      },
    },
    { CHAT_FILE: JSON.stringify(chat.fileName) },
  ),
  "loader",
);
entry(await built("console", { rolldownOptions: { input: join(WEB, "console/index.html") } }), "console");
renameSync(join(fresh, "index.html"), join(fresh, "console.html"));
await built("shop", { rolldownOptions: { input: join(WEB, "shop/index.html") } });
renameSync(join(fresh, "index.html"), join(fresh, "shop.html"));

for (const path of files(fresh)) {
  if (!/\.(js|css|html|svg)$/.test(path)) continue;
  const content = readFileSync(path);
  if (content.length < 1024) continue;
  writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
  writeFileSync(`${path}.br`, brotliCompressSync(content));
}
rmSync(target, { recursive: true, force: true });
renameSync(fresh, target);
console.log(`${basename(target)}: ${files(target).length} files`);
