/**
 * The pages while one works on them: each change is on the screen at once, and the API is a running desk's.
 *
 *     node --run dev            with `deskbell demo` or `deskbell serve` running
 *
 * `/console` is the console, `/try` a page of a site with the widget. `DESKBELL_URL` is the desk's address
 * (`http://127.0.0.1:8000`, and it must be the `server.public_url` of that desk), `DESKBELL_SITE` the site's key
 * (`demo-site`). There is no Content-Security-Policy here, since Vite puts styles into the page; the browser tests hold
 * the built pages to it.
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, createServer, type Rolldown } from "vite";
import { loader } from "./loader.ts";

const WEB = dirname(dirname(fileURLToPath(import.meta.url)));
const desk = new URL(process.env["DESKBELL_URL"] ?? "http://127.0.0.1:8000").origin;
const site = process.env["DESKBELL_SITE"] ?? "demo-site";

const TRY = `<!doctype html>
<html lang="en">
  <meta charset="utf-8" />
  <meta name="viewport" content="width=device-width, initial-scale=1" />
  <title>A page of a site</title>
  <link rel="icon" href="data:," />
  <h1>A page of a site</h1>
  <script src="/widget.js" data-site="${site.replace(/[^\w-]/g, "")}" async></script>
</html>
`;

/** The loader as the desk would send it, but for the chat, which Vite sends with all it imports. */
async function widget(): Promise<string> {
  const config = loader(WEB, `@fs/${join(WEB, "widget/src/chat.tsx").replace(/^\//, "")}`);
  const made = await build({ ...config, build: { ...config.build, write: false, minify: false } });
  const [chunk] = (made as Rolldown.RolldownOutput).output;
  return chunk.code;
}

const server = await createServer({
  configFile: false,
  root: join(WEB, "console"),
  server: {
    host: "127.0.0.1",
    port: 5173,
    strictPort: true,
    fs: { allow: [WEB] },
    // The desk lets in its own pages, and sees this one as such.
    proxy: { "/api": { target: desk, ws: true, headers: { origin: desk } } },
  },
  plugins: [
    {
      name: "deskbell-pages",
      configureServer({ middlewares }) {
        middlewares.use((request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => {
          const path = request.url?.split("?")[0];
          if (path === "/") {
            response.writeHead(302, { Location: "/console" }).end();
          } else if (path === "/try") {
            response.setHeader("Content-Type", "text/html; charset=utf-8").end(TRY);
          } else if (path === "/widget.js") {
            widget().then((code) => response.setHeader("Content-Type", "text/javascript; charset=utf-8").end(code), next);
          } else {
            next();
          }
        });
      },
    },
  ],
});
await server.listen();
const here = `http://127.0.0.1:${server.config.server.port}`;
server.config.logger.info(`\n  The console: ${here}/console\n  The widget:  ${here}/try\n  The desk:    ${desk}\n`);
