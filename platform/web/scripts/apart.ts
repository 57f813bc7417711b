/** A file of constants that travels in parts: whoever imports from it gets a copy, of which what is not used is left out. */

import { readFileSync } from "node:fs";
import type { Plugin } from "vite";

/** `file` holds texts alone, so that copies are worth no more than their compressed bytes. */
export function apart(file: string): Plugin {
  return {
    name: "apart",
    enforce: "pre",
    async resolveId(source, importer) {
      if (importer === undefined || !source.endsWith(file.slice(file.lastIndexOf("/")))) return undefined;
      const found = await this.resolve(source, importer, { skipSelf: true });
      return found?.id === file ? { id: `${file}?for=${importer}`, moduleSideEffects: false } : undefined;
    },
    load: (id) => (id.startsWith(`${file}?for=`) ? { code: readFileSync(file, "utf8"), moduleType: "js" } : undefined),
  };
}
