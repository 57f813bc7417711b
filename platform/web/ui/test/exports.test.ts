import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const WEB = join(import.meta.dirname, "../..");

/** What the faces and the client are made of, and what builds them; tests do not count as use. */
const sources = ["client/src", "ui/src", "widget/src", "console/src", "shop/src", "scripts"].flatMap((root) =>
  readdirSync(join(WEB, root), { recursive: true, encoding: "utf8" })
    .filter((path) => /\.tsx?$/.test(path) && !path.endsWith("generated.ts"))
    .map((path) => ({ path: `${root}/${path}`, text: readFileSync(join(WEB, root, path), "utf8") })),
);

test("whatever a file offers is used", () => {
  const said = new Map<string, number>();
  for (const { text } of sources) for (const [word] of text.matchAll(/[A-Za-z_$][\w$]*/g)) said.set(word, (said.get(word) ?? 0) + 1);
  const offered = sources.flatMap(({ path, text }) =>
    [...text.matchAll(/^export (?:async )?(?:const|function|class|interface|type) ([\w$]+)/gm)].map(([, name]) => [path, name ?? ""] as const),
  );
  expect(offered.length).toBeGreaterThan(300);
  expect(offered.filter(([, name]) => said.get(name) === 1).map((one) => one.join(" "))).toEqual([]);
});
