/**
 * How the parts of a face come: each `import()` becomes a call of `bring` (`ui/src/bring.ts`) with the names of all
 * files that are not there yet when it is called: the part's own first, then what it imports, then their styles.
 */

import { basename, join } from "node:path";
import type { Plugin, Rolldown } from "vite";

/** An `import()` as Vite leaves it to be filled in, with or without what is taken out of the module, or of a file of several. */
const ASKED =
  /([\w$]+)\((?:async\(\)=>\{let(\{[^{}]*\})=await import\(`\.\/([\w.-]+)`\)(\.then\(\w+=>\w+\.\w+\))?;return\2\}|\(\)=>import\(`\.\/([\w.-]+)`\)(\.then\(\w+=>\w+\.\w+\))?),__VITE_PRELOAD__(?:,import\.meta\.url)?\)/g;

export function parts(web: string): Plugin {
  return {
    name: "parts",
    enforce: "pre",
    load: (id) => (id.includes("vite/preload-helper") ? `export { bring as __vitePreload } from ${JSON.stringify(join(web, "ui/src/bring.ts"))};` : undefined),
    generateBundle(_options, bundle) {
      const taken = (file: string, found = new Set<string>()): Set<string> => {
        const chunk = bundle[file];
        if (found.has(file) || chunk?.type !== "chunk") return found;
        found.add(file);
        for (const other of chunk.imports) taken(other, found);
        return found;
      };
      const stylesOf = (files: Iterable<string>): string[] =>
        [...files].reverse().flatMap((file) => [...((bundle[file] as Rolldown.OutputChunk).viteMetadata?.importedCss ?? [])]);
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== "chunk") continue;
        const here = taken(chunk.fileName);
        const styled = new Set(stylesOf(here));
        chunk.code = chunk.code.replace(ASKED, (_call, bring: string, _names, one?: string, ofOne = "", other?: string, ofOther = "") => {
          const all = taken(`assets/${one ?? other ?? ""}`);
          const files = [...[...all].filter((file) => !here.has(file)), ...new Set(stylesOf(all).filter((file) => !styled.has(file)))];
          return `${bring}(\`${files.map((file) => basename(file)).join(" ")}\`)${ofOne || ofOther}`;
        });
        if (chunk.code.includes("__VITE_PRELOAD__")) this.error(`${chunk.fileName} asks for a part in a way that was not foreseen`);
      }
    },
  };
}
