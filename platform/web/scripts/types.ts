/**
 * TypeScript types of the protocol, from what the server says its frames are (`deskbell schema`).
 *
 *     node scripts/types.ts FILE        writes FILE, asking the `deskbell` of this checkout or of the PATH
 *     node scripts/types.ts FILE -      the schema comes on standard input
 *
 * A construct of JSON Schema that is not known here is an error, never `any`: a new kind of field is looked at.
 */

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";

interface Schema {
  $ref?: string;
  type?: string;
  enum?: string[];
  anyOf?: Schema[];
  items?: Schema | false;
  prefixItems?: Schema[];
  properties?: Record<string, Schema>;
  additionalProperties?: Schema;
  required?: string[];
  default?: unknown;
  description?: string;
}

interface Protocol {
  version: string;
  client: Record<string, Schema>;
  server: Record<string, Schema[]>;
  $defs: Record<string, Schema>;
}

const KNOWN = new Set([
  "$ref", "type", "enum", "anyOf", "items", "prefixItems", "properties", "additionalProperties", "required", "default",
  "description", "title", "format", "minItems", "maxItems", "minLength", "maxLength", "minimum", "maximum",
]);

function protocol(): Protocol {
  if (process.argv[3] === "-") return JSON.parse(readFileSync(0, "utf8")) as Protocol;
  const own = new URL("../../../.venv/bin/deskbell", import.meta.url).pathname;
  const command = process.env["DESKBELL"] ?? (existsSync(own) ? own : "deskbell");
  return JSON.parse(execFileSync(command, ["schema", "frames"], { encoding: "utf8" })) as Protocol;
}

/** `Message`; two frames of one name, a client's and a server's, are told apart: `ClientPing`, `ServerPing`. */
function named(definition: string): string {
  const [last = "", module] = definition.split(".").reverse();
  if (module === undefined) return last;
  return (module === "commands" ? "Client" : "Server") + last;
}

function typeOf(schema: Schema, where: string): string {
  for (const key of Object.keys(schema)) {
    if (!KNOWN.has(key)) throw new Error(`${where}: "${key}" is not known to scripts/types.ts`);
  }
  if (schema.$ref !== undefined) return named(schema.$ref.replace("#/$defs/", ""));
  if (schema.enum) return schema.enum.map((word) => JSON.stringify(word)).join(" | ");
  if (schema.anyOf) return schema.anyOf.map((one) => typeOf(one, where)).join(" | ");
  if (schema.prefixItems) return `[${schema.prefixItems.map((one) => typeOf(one, where)).join(", ")}]`;
  switch (schema.type) {
    case undefined:
      return "unknown";
    case "string":
    case "boolean":
    case "null":
      return schema.type;
    case "integer":
    case "number":
      return "number";
    case "array":
      return `(${schema.items ? typeOf(schema.items, where) : "unknown"})[]`;
    case "object":
      if (schema.properties) throw new Error(`${where}: an object within another has no name`);
      return `Record<string, ${schema.additionalProperties ? typeOf(schema.additionalProperties, where) : "unknown"}>`;
    default:
      throw new Error(`${where}: a "${schema.type}" is not known to scripts/types.ts`);
  }
}

/** Whether a field is always there. Records are sent whole; of frames, what has a default may be left out. */
function always(name: string, schema: Schema, field: string): boolean {
  if (schema.required?.includes(field)) return true;
  const isFrame = schema.properties?.["type"]?.enum !== undefined;
  const sparse = isFrame || name === "Owner" || name === "Expect" || name === "SubscribeRoom";
  return !sparse && schema.properties?.[field]?.default !== undefined;
}

function declared(definition: string, schema: Schema): string {
  const name = named(definition);
  const fields = Object.entries(schema.properties ?? {}).map(([field, of]) => {
    return `  ${field}${always(name, schema, field) ? "" : "?"}: ${typeOf(of, `${definition}.${field}`)};`;
  });
  const doc = schema.description?.split("\n")[0] ?? "";
  return `${doc && `/** ${doc} */\n`}export interface ${name} {\n${fields.join("\n")}\n}\n`;
}

function unionOf(name: string, kinds: [string, Schema[]][]): string {
  const lines = kinds.map(([kind, shapes]) => `  ${kind}: ${shapes.map((shape) => typeOf(shape, kind)).join(" | ")};`);
  return `export interface ${name}s {\n${lines.join("\n")}\n}\nexport type ${name} = ${name}s[keyof ${name}s];\n`;
}

const target = process.argv[2];
if (target === undefined) throw new Error("usage: node scripts/types.ts FILE [-]");
const spoken = protocol();
const client = Object.entries(spoken.client).map(([kind, shape]): [string, Schema[]] => [kind, [shape]]);
const text = [
  `// Written by scripts/types.ts from \`deskbell schema frames\`, protocol of Deskbell ${spoken.version}. Not kept in git.\n`,
  ...Object.entries(spoken.$defs).map(([definition, schema]) => declared(definition, schema)),
  unionOf("ClientFrame", client),
  unionOf("ServerFrame", Object.entries(spoken.server)),
].join("\n");
writeFileSync(target, text);
