/**
 * Build the faces into `platform/deskbell/faces/`, where the server finds them.
 *
 *     node scripts/build.ts [FOLDER]
 *
 * `widget.js` is the loader, under a name that never changes; all else is in `assets/` under names that hold a hash of
 * the content, and so may be kept for ever. Beside each text file lies the same compressed (`.br`, `.gz`), so that the
 * server only sends. A view over its budget (`sizes.ts`) ends the build.
 */

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build, type InlineConfig, type Rolldown } from "vite";
import { apart } from "./apart.ts";
import { loader } from "./loader.ts";
import { parts } from "./parts.ts";
import { report, weigh } from "./sizes.ts";
import { withoutUnused, withShortNames } from "./tokens.ts";

const WEB = dirname(dirname(fileURLToPath(import.meta.url)));
const target = resolve(process.argv[2] ?? join(WEB, "../deskbell/faces"));
const fresh = `${target}.new`;

async function built(config: InlineConfig): Promise<Rolldown.OutputChunk[]> {
  const made = await build({ ...config, build: { ...config.build, outDir: fresh, emptyOutDir: false } });
  return (made as Rolldown.RolldownOutput).output.filter((part) => part.type === "chunk");
}

/** What the widget has of its own in the place of Preact: the few of its functions that it uses, at a third of the size. */
const alias = [
  { find: /^preact(\/jsx-runtime)?$/, replacement: join(WEB, "widget/src/drawing.ts") },
  { find: "preact/hooks", replacement: join(WEB, "widget/src/hooks.ts") },
  { find: "@preact/signals", replacement: join(WEB, "widget/src/signals.ts") },
];

const common: InlineConfig = { configFile: false, logLevel: "warn" };
const modules = { assetsDir: "assets", target: "es2022" } as const;

/** A page and what it loads. Its assets have one address, wherever the page is. */
async function page(part: string): Promise<Rolldown.OutputChunk[]> {
  const input = join(WEB, part, "index.html");
  const build = { ...modules, modulePreload: { polyfill: false }, rolldownOptions: { input } };
  const define = { STYLES_BESIDE: "true" };
  const chunks = await built({ ...common, root: join(WEB, part), base: "/", build, define, plugins: [parts(WEB)] });
  renameSync(join(fresh, "index.html"), join(fresh, `${part}.html`));
  return chunks;
}

function files(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
}

rmSync(fresh, { recursive: true, force: true });
mkdirSync(fresh, { recursive: true });

/** Where the widget's styles are. */
const styled = [join(WEB, "widget/src"), join(WEB, "ui/src")];
/** Those that come later than the first message. */
const later = {
  tokens: join(WEB, "widget/src/later-tokens.css"),
  sheets: ["extras", "forms", "menu", "outage", "parts", "rating"].map((name) => join(WEB, `widget/src/${name}.css`)),
};
const chat = await built({
  ...common,
  root: join(WEB, "widget"),
  plugins: [
    parts(WEB),
    apart(join(WEB, "ui/src/drawings.ts")),
    withoutUnused(join(WEB, "ui/src/tokens.css"), styled, later),
    withShortNames(styled, [join(WEB, "widget/src/launcher.css")]),
  ],
  resolve: { alias },
  define: { STYLES_BESIDE: "false" },
  // The widget's assets lie where its script came from, which is another place than the page they are used on.
  base: "./",
  build: {
    ...modules,
    modulePreload: false,
    rolldownOptions: {
      input: join(WEB, "widget/src/chat.tsx"),
      preserveEntrySignatures: "allow-extension",
      output: {
        entryFileNames: "assets/chat-[hash].js",
        chunkFileNames: "assets/[name]-[hash].js",
        // What others share with the chat stays in its file: it is always there before them.
        codeSplitting: { includeDependenciesRecursively: true, groups: [{ name: "chat", test: /widget\/src\/chat\.tsx/, priority: 1 }, { name: "conversation", test: /widget\/src\/conversation\.tsx/ }] },
      },
    },
  },
});
const chatFile = chat.find((chunk) => chunk.isEntry)?.fileName;
if (chatFile === undefined) throw new Error("the chat has no entry");
const widget = await built(loader(WEB, chatFile));
const desk = await page("console");
await page("shop");

const { table, over } = report([
  weigh({ name: "loader", budget: 10_000, shows: [] }, widget, fresh, WEB),
  // The home page, and then what it takes until the first message can be read.
  weigh({ name: "chat", budget: 27_500, shows: [] }, chat, fresh, WEB),
  weigh({ name: "talk", budget: 40_000, shows: ["widget/src/conversation.tsx"] }, chat, fresh, WEB),
  // The login, and then the first list.
  weigh({ name: "console", budget: 150_000, shows: ["console/src/login.tsx", "console/src/frame.tsx", "console/src/list"] }, desk, fresh, WEB, "console.html"),
]);
console.log(table);
if (over.length > 0) {
  console.error(`over budget: ${over.map((view) => `${view.name} (${view.files.join(", ")})`).join("; ")}`);
  process.exit(1);
}

for (const path of files(fresh)) {
  if (!/\.(js|css|html|svg|json|webmanifest)$/.test(path)) continue;
  const content = readFileSync(path);
  if (content.length < 1024) continue;
  writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
  writeFileSync(`${path}.br`, brotliCompressSync(content));
}
rmSync(target, { recursive: true, force: true });
renameSync(fresh, target);
console.log(`${basename(target)}: ${files(target).length} files`);
