/** Types of TypeScript become contracts, and modules are compiled for the hooks that load them. */

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { contractsOf } from "../src/typescript/contracts.js";
import { compile } from "../src/typescript/compile.js";
import { compilerFor } from "../src/typescript/compiler.js";
import { Imports } from "../src/typescript/imports.js";
import { Unfit } from "../src/typescript/schemas.js";

const BUILD = fileURLToPath(new URL("../src/typescript/build.js", import.meta.url));
const home = mkdtempSync(join(tmpdir(), "dragoman-ts-"));
after(() => rmSync(home, { recursive: true }));
let folders = 0;

/** A folder with these files. */
function folderOf(files) {
  const folder = join(home, String(folders++));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

const number = { type: "number", "x-js": "number" };
const text = { type: "string" };
const object = (properties, required = Object.keys(properties), more = false) => ({
  type: "object",
  properties,
  ...(required.length ? { required } : {}),
  additionalProperties: more,
});

/** Types as they are written, and as schemas. */
const TYPES = [
  ["string", text],
  ["number", number],
  ["bigint", { type: "integer", "x-js": "bigint" }],
  ["boolean", { type: "boolean" }],
  ["null", { type: "null" }],
  ["unknown", {}],
  ["any", {}],
  ["Date", { type: "string", format: "date-time", "x-js": "Date" }],
  ["Uint8Array", { type: "string", contentEncoding: "base64" }],
  ["Buffer", { type: "string", contentEncoding: "base64" }],
  ["string[]", { type: "array", items: text }],
  ["readonly number[]", { type: "array", items: number }],
  ["ReadonlyArray<string>", { type: "array", items: text }],
  ["Set<string>", { type: "array", uniqueItems: true, items: text, "x-js": "Set" }],
  ["Map<string, number>", { type: "object", additionalProperties: number, "x-js": "Map" }],
  ["Record<string, number>", object({}, [], number)],
  ["Record<number, string>", object({}, [], text)],
  ['Record<"a" | "b", string>', object({ a: text, b: text })],
  ["{ [key: string]: string }", object({}, [], text)],
  ["{}", object({}, [])],
  ["[string, number?]", { type: "array", prefixItems: [text, number], minItems: 1, items: false }],
  ["[string, ...number[]]", { type: "array", prefixItems: [text], minItems: 1, items: number }],
  ['"a" | "b"', { enum: ["a", "b"] }],
  ['"one"', { const: "one" }],
  ["1 | 2", { enum: [1, 2] }],
  ["true", { const: true }],
  ["boolean | null", { anyOf: [{ type: "null" }, { type: "boolean" }] }],
  ["string | null", { anyOf: [{ type: "null" }, text] }],
  ["Colour", { enum: ["red", "green"] }],
  ["Level", { enum: [0, 1] }],
  ["Id", text],
  ["{ a: string; b?: number | null }", object({ a: text, b: { anyOf: [{ type: "null" }, number] } }, ["a"])],
  ["{ a: string | undefined }", object({ a: text }, [])],
  ["Partial<{ a: string }>", object({ a: text }, [])],
  ["{ a: string } & { b: number }", object({ a: text, b: number })],
  ["Pick<Pair<string>, 'left'>", object({ left: text })],
  ["Pair<number>", object({ left: number, right: number })],
  ["Derived", object({ own: text, left: number, right: number })],
  [
    "Shape",
    {
      anyOf: [
        object({ kind: { const: "circle" }, radius: number }),
        object({ kind: { const: "square" }, side: number }),
      ],
    },
  ],
  [
    "Tree",
    { $ref: "#/$defs/Tree" },
    { Tree: object({ children: { type: "array", items: { $ref: "#/$defs/Tree" } } }) },
  ],
  [
    "Json",
    { $ref: "#/$defs/Json" },
    {
      Json: {
        anyOf: [
          { type: "null" },
          text,
          { type: "array", items: { $ref: "#/$defs/Json" } },
          object({}, [], { $ref: "#/$defs/Json" }),
        ],
      },
    },
  ],
  ["Said", object({ count: { description: "How many.", type: "integer", "x-js": "number", minimum: 1, maximum: 9 } })],
];

const DECLARED = `
export enum Colour { Red = "red", Green = "green" }
enum Level { Low, High }
type Id = string & { readonly brand: unique symbol };
interface Pair<T> { left: T; right: T }
interface Derived extends Pair<number> { own: string }
type Shape = { kind: "circle"; radius: number } | { kind: "square"; side: number };
interface Tree { children: Tree[] }
type Json = null | string | Json[] | { [key: string]: Json };
interface Said {
  /**
   * How many.
   * @minimum 1
   * @maximum 9
   * @integer
   */
  count: number;
}
class Account { constructor(readonly id: string) {} close() {} }
type Endless<T> = { value: T; next: Endless<T[]> };
`;

const library = fileURLToPath(new URL("../node_modules/@types", import.meta.url));

/** The contracts of a module of these lines. */
function contracts(body) {
  const folder = folderOf({ "module.ts": body });
  const options = {
    strict: true,
    target: ts.ScriptTarget.ES2022,
    lib: ["lib.esnext.d.ts"],
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    typeRoots: [library],
    types: ["node"],
  };
  const entry = join(folder, "module.ts");
  return contractsOf(ts, ts.createProgram([entry], options, new Imports(ts, options, folder).host()), entry);
}

test("each type has its schema, as input and as output", () => {
  const lines = TYPES.map(
    ([type], at) => `export function f${at}(value: ${type}, other: string): ${type} { return value; }`,
  );
  const found = contracts(DECLARED + lines.join("\n"));
  TYPES.forEach(([type, schema, defs], at) => {
    const { input, output } = found[`f${at}`];
    assert.deepEqual(input.properties.value, schema, type);
    assert.deepEqual(input.$defs, defs, type);
    assert.deepEqual(output, defs ? { ...schema, $defs: defs } : schema, type);
  });
});

test("parameters and results of every form", () => {
  const found = contracts(`
    import type { Context } from "dragoman";
    /** Adds. @version 1.2.0 @idempotent */
    export function add(a: number, b = 1): number { return a + b; }
    export const whole = async (input: { a: string }, ctx: Context): Promise<string> => input.a + ctx.callId;
    export function first(ctx: Context, a: string): void {}
    export function part({ a }: { a?: string }, { signal }: { signal: AbortSignal }): void {}
    export async function* items(to: number): AsyncGenerator<string> { yield String(to); }
    export function lazily(): AsyncIterable<Date> { return [] as any; }
    export function total(numbers: AsyncIterable<number>, scale?: number): number { return 0; }
    export async function* both({ lines }: { lines: AsyncIterable<string> }): AsyncGenerator<string> { yield* lines; }
    export function raw(data: Uint8Array): Uint8Array { return data; }
    export default function () { return 1; }
    export const _hidden = () => 1;
    export class Nothing {}
    export const answer = 42;
    export function never(): never { throw new Error(); }
  `);
  const names = ["add", "whole", "first", "part", "items", "lazily", "total", "both", "raw", "module", "never"];
  assert.deepEqual(Object.keys(found).sort(), names.sort());
  const { add, whole, first, part, items, lazily, total, both, raw } = found;
  assert.deepEqual(add, {
    description: "Adds.",
    version: "1.2.0",
    idempotent: true,
    input: object({ a: number, b: number }, ["a"]),
    output: number,
    streaming: undefined,
    inputStream: undefined,
    rawInput: undefined,
    rawOutput: undefined,
    parameters: ["a", "b"],
  });
  assert.deepEqual([whole.input, whole.parameters, whole.output], [object({ a: text }), ["*", "@ctx"], text]);
  assert.deepEqual([first.input, first.parameters], [object({ a: text }), ["@ctx", "a"]]);
  assert.deepEqual([part.input, part.parameters], [object({ a: text }, []), ["*", "@ctx"]]);
  assert.deepEqual([items.streaming, items.output], [true, text]);
  assert.deepEqual([lazily.streaming, lazily.output.format], [true, "date-time"]);
  const numbers = { type: "array", items: number };
  assert.deepEqual([total.inputStream, total.input], ["numbers", object({ numbers, scale: number }, ["numbers"])]);
  assert.deepEqual([both.inputStream, both.parameters, both.streaming], ["lines", ["*"], true]);
  assert.deepEqual([raw.rawInput, raw.rawOutput], ["data", true]);
});

const UNFIT = [
  ["export function f#(callback: () => void): void {}", "parameter callback: type () => void cannot be part of"],
  ["export function f#(a: string, account: Account): void {}", "parameter account.close: type () => void cannot"],
  ["export function f#(): { a: Promise<string> } { return null as any; }", "the result.a: type Promise<string> cannot"],
  [
    "export function f#(a: Map<number, string>): void {}",
    "parameter a: type Map<number, string> cannot be part of a contract: the keys of a map are text",
  ],
  ["export function f#(...all: string[]): void {}", "parameter all: takes any number of values: declare an array"],
  ["export function f#({ a }: { a: 1 }, b: string): void {}", "parameter 1: has no name, and is not the only one"],
  ["export function f#(a: AsyncIterable<1>, b: AsyncIterable<1>): void {}", "a and b are both streams"],
  ["export function f#(a: symbol, b: 1): void {}", "parameter a: type symbol cannot be part of a contract"],
  ["export function f#(a: Endless<string>, b: 1): void {}", "parameter a"],
];

test("each type that cannot be part of a contract is named, all at once", () => {
  const lines = UNFIT.map(([line], at) => line.replace("#", String(at)));
  assert.throws(
    () => contracts(`${lines.join("\n")}\n${DECLARED}`),
    (error) => {
      const said = error.message.split("\n");
      assert.equal(said.length, UNFIT.length);
      UNFIT.forEach(([, why], at) =>
        assert.ok(said[at].startsWith(`module.ts:${at + 1}: function f${at}: ${why}`), said[at]),
      );
      return true;
    },
  );
});

const compiler = { ts, types: library };

/** What is built of a folder's module. */
function built(folder) {
  const place = join(folder, "built");
  mkdirSync(place);
  compile(compiler, join(folder, "main.ts"), folder, place);
  return place;
}

const TREE = {
  "tsconfig.json": `{
    // as people write them
    "compilerOptions": { "strict": true, "noEmit": true, "composite": true, "paths": { "@/*": ["./lib/*"] } },
  }`,
  "main.ts": `
    import { readFileSync } from "node:fs";
    import { price } from "@/price";
    import { twice } from "./lib/twice.js";
    import { half, type Half } from "./lib/index.ts";
    import told from "./told.json";
    import { Kind } from "./lib/kind";
    export type { Half };
    export * from "./lib/more.mjs";
    export const sum = (n: number): Half => [price(n), twice(n), half(n), told.n, Kind.A, typeof readFileSync];
    export async function later(n: number): Promise<number> { return (await import("./lib/twice")).twice(n); }
    export function fails(): number {
      const unused: string | null = null;
      throw new RangeError("here");
    }
  `,
  "told.json": '{"n": 4}',
  "lib/price.ts": "export const price = (n: number): number => n;",
  "lib/twice.ts": "export const twice = (n: number): number => 2 * n;",
  "lib/old.cts": "import path = require('node:path'); export = { name: path.basename(__filename) };",
  "lib/index.ts": "export type Half = (number | string)[]; export const half = (n: number): number => n / 2;",
  "lib/kind.ts": "export enum Kind { A = 7 }",
  "lib/more.mts": "import old from './old.cjs'; export const name = (): string => old.name;",
};

test("a module of many files runs as it was compiled, and tells of its own lines", () => {
  const folder = folderOf(TREE);
  const place = built(folder);
  const program = `
    import { prepare } from ${JSON.stringify(new URL("../src/guest/resolving.js", import.meta.url).href)};
    prepare(${JSON.stringify(join(folder, "main.ts"))}, ${JSON.stringify(place)});
    const it = await import(${JSON.stringify(join(folder, "main.ts"))});
    let where;
    try { it.fails(); } catch (error) { where = /main.ts:\\d+/.exec(error.stack)[0]; }
    console.log(JSON.stringify([it.sum(8), await it.later(3), it.name(), where]));
  `;
  const said = execFileSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8" });
  assert.deepEqual(JSON.parse(said), [[8, 16, 4, 4, 7, "function"], 6, "old.cts", "main.ts:14"]);
  const { functions } = JSON.parse(readFileSync(join(place, "contracts.json"), "utf8"));
  assert.deepEqual(Object.keys(functions).sort(), ["fails", "later", "name", "sum"]);
});

for (const [name, files, why] of [
  ["a syntax error", { "main.ts": "export const f = (" }, /main\.ts\(1,19\): error TS1109: Expression expected/],
  ["a type error", { "main.ts": 'export const f = (): number => "one";' }, /error TS2322: Type 'string' is not/],
  [
    "a missing file",
    { "main.ts": 'import "./gone"; import { a } from "./lost"; export const f = () => a;' },
    /'\.\/lost'/,
  ],
  [
    "options that are none",
    { "main.ts": "export const f = () => 1;", "tsconfig.json": '{"compilerOptions": 1' },
    /tsconfig/,
  ],
]) {
  test(`${name} ends the build with the compiler's words`, () => {
    assert.throws(() => built(folderOf(files)), { constructor: Unfit, message: why });
  });
}

test("what is wrong is all that the program says", () => {
  const folder = folderOf({ "main.ts": "export const f = (" });
  const { status, stderr } = spawnSync(process.execPath, [BUILD, folder, folder, folder, folder, "npm"], {
    encoding: "utf8",
  });
  assert.equal(status, 1);
  assert.match(stderr, /no package\.json that names its main file/);
});

test("a package's own compiler is used, and where there is none, npm is asked for the locked one, once", async () => {
  const fake = "exports.createProgram = () => 1; exports.made = 'MADE';";
  const own = folderOf({ "main.ts": "", "node_modules/typescript/index.js": fake.replace("MADE", "own") });
  const none = folderOf({
    "main.ts": "",
    "npm.sh": `#!/bin/sh
      [ "$1" = ci ] && [ -f package-lock.json ] && [ ! -e "${home}/asked" ] || exit 1
      touch "${home}/asked"
      mkdir -p node_modules/typescript && echo "${fake.replace("MADE", "locked")}" > node_modules/typescript/index.js`,
  });
  chmodSync(join(none, "npm.sh"), 0o755);
  const made = async (folder) => {
    const main = join(folder, "main.ts");
    return (await compilerFor(main, folder, join(none, "keep"), join(none, "npm.sh"), "/nowhere")).ts.made;
  };
  assert.deepEqual([await made(none), await made(own), await made(none)], ["locked", "own", "locked"]);
});
