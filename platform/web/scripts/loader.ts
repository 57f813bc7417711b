/** How the loader is built, for the desk and for the server of `dev.ts`: one classic script that knows where the chat is. */

import { join } from "node:path";
import type { InlineConfig } from "vite";

export function loader(web: string, chatFile: string): InlineConfig {
  return {
    configFile: false,
    logLevel: "warn",
    root: join(web, "widget"),
    base: "./",
    define: { CHAT_FILE: JSON.stringify(chatFile) },
    build: {
      assetsDir: "assets",
      target: "es2022",
      modulePreload: false,
      rolldownOptions: {
        input: join(web, "widget/src/loader.ts"),
        output: { entryFileNames: "widget.js", format: "iife" },
      },
    },
  };
}
