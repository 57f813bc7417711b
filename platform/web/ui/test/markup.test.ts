import { expect, test } from "vitest";
import { type Block, inline, type Inline, plain, read, webAddress } from "../src/markup.ts";

/** All that is drawn, as text alone. */
function shown(parts: Inline[]): string {
  return parts.map((part) => ("inside" in part ? shown(part.inside) : part.text)).join("");
}

function links(parts: Inline[]): string[] {
  return parts.flatMap((part) => (part.is === "link" ? [part.href] : "inside" in part ? links(part.inside) : []));
}

function depth(parts: Inline[]): number {
  return 1 + Math.max(0, ...parts.map((part) => ("inside" in part ? depth(part.inside) : 0)));
}

function kinds(text: string): string[] {
  return read(text).map((block) => block.is);
}

test("bold, italic and code are read, also in one another", () => {
  expect(inline("a **b *c* d** `e*f`")).toEqual([
    { is: "text", text: "a " },
    { is: "strong", inside: [{ is: "text", text: "b " }, { is: "em", inside: [{ is: "text", text: "c" }] }, { is: "text", text: " d" }] },
    { is: "text", text: " " },
    { is: "code", text: "e*f" },
  ]);
});

test("what is no mark stays as it was written", () => {
  for (const text of ["2 * 3 * 4", "2*3*4", "a ** b", "*", "**", "`", "``", "a `b", "*a", "**a*", "snake_case_name", "* *"]) {
    expect(inline(text)).toEqual([{ is: "text", text }]);
  }
});

test("HTML is text", () => {
  const text = "<img src=x onerror=alert(1)><script>alert(2)</script>";
  expect(read(text)).toEqual([{ is: "paragraph", inside: [{ is: "text", text }] }]);
});

test("paragraphs, lists, quotes and fenced code are blocks", () => {
  const text = "One\ntwo\n\n\n\n- a\n- b\n3. c\n4) d\n> said\n> more\n```js\n**x**\n\n<b>\n```\nend";
  expect(read(text)).toEqual([
    { is: "paragraph", inside: [{ is: "text", text: "One\ntwo" }] },
    { is: "list", ordered: false, start: 1, items: [[{ is: "text", text: "a" }], [{ is: "text", text: "b" }]] },
    { is: "list", ordered: true, start: 3, items: [[{ is: "text", text: "c" }], [{ is: "text", text: "d" }]] },
    { is: "quote", inside: [{ is: "text", text: "said\nmore" }] },
    { is: "code", text: "**x**\n\n<b>" },
    { is: "paragraph", inside: [{ is: "text", text: "end" }] },
  ] satisfies Block[]);
  expect(kinds("```\nnever ended\n- a")).toEqual(["code"]);
  expect(kinds("- \n1.\n1.5 litres\n-5 degrees")).toEqual(["paragraph"]);
});

test("addresses are links without the punctuation of their sentence", () => {
  expect(links(inline("See https://a.example/x?y=1#z, (http://b.example/a_(b)) and **https://c.example**."))).toEqual([
    "https://a.example/x?y=1#z",
    "http://b.example/a_(b)",
    "https://c.example",
  ]);
});

test("only web addresses become links", () => {
  const hostile = [
    "javascript:alert(1)",
    "JaVaScRiPt://x/%0Aalert(1)",
    "data:text/html,https:",
    "xhttps://a.example",
    "https://",
    "http:// a",
    "https://bank.example@evil.example/",
    "vbscript:x",
    "file:///etc/passwd",
    "[a](javascript:alert(1))",
  ];
  for (const text of hostile) expect(links(inline(text)), text).toEqual([]);
  expect(webAddress("javascript:alert(1)")).toBeUndefined();
  expect(webAddress("//evil.example", "https://a.example")).toBe("https://evil.example/");
  expect(webAddress({ toString: () => "https://a.example" })).toBeUndefined();
});

test("a character that turns the direction ends an address", () => {
  expect(links(inline("https://a.example/\u202Egpj.exe"))).toEqual(["https://a.example/"]);
});

test("no text is lost, and nothing nests deep, whatever is written", () => {
  const pieces = ["*", "**", "`", "a", " ", "\u202E", "https://a.example/", "(", ")", "🙂", "."];
  let seed = 7;
  const random = (): number => (seed = (seed * 48271) % 2147483647) / 2147483647;
  for (let round = 0; round < 2000; round++) {
    const text = Array.from({ length: 1 + Math.floor(random() * 24) }, () => pieces[Math.floor(random() * pieces.length)] ?? "").join("");
    const parts = inline(text);
    // Marks that count are left out of what is shown; nothing else is.
    expect(shown(parts).replace(/[*`]/g, "")).toBe(text.replace(/[*`]/g, ""));
    expect(depth(parts)).toBeLessThanOrEqual(3);
  }
});

test("hostile lengths are read in one go", () => {
  // Read quadratically, each of these would take minutes where it now takes milliseconds.
  const long = 400_000;
  for (const piece of ["*a ", "**a ", "`", "``a", "*a **b ", "https://a.example/(", "https://a!!!!!!!!", "https://a@", "http://", "> ", "- a\n", "[a](https:", "```\n", "\n", "* "]) {
    const text = piece.repeat(Math.ceil(long / piece.length));
    expect(inline(text).length).toBeGreaterThan(0);
    plain(text);
  }
  inline(`https://a.example/${"!)".repeat(long)}`);
});

test("a text longer than any message is cut", () => {
  const [block] = read("x".repeat(1_000_000));
  expect(block?.is === "paragraph" && shown(block.inside).length).toBe(20_001);
});

test("in one line a message is its words alone", () => {
  expect(plain("**Yes**, *of course*:\n- `E14`\n- E27\n\n1. Unplug it\n2. Wait\n> said\n```\nlet x\n```")).toBe("Yes, of course: E14, E27 1. Unplug it 2. Wait said let x");
  expect(plain("See [our **guide**](https://a.example/x) or https://b.example.")).toBe("See our guide or https://b.example.");
  for (const text of ["2 * 3 * 4", "<b>no</b>", "[a](javascript:alert(1))", "snake_case", "3. May"]) expect(plain(text)).toBe(text);
});

test("of a text that was cut within a mark no mark is left", () => {
  expect(plain("Take **the green…")).toBe("Take the green…");
  expect(plain("Take `npm run…")).toBe("Take npm run…");
  expect(plain("2 * 3 is a lot…")).toBe("2 * 3 is a lot…");
});
