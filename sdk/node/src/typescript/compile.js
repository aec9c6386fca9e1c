/** One TypeScript module, read for its contracts and compiled; or every error in it, as `tsc` would say it. */

import { writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { contractsOf } from "./contracts.js";
import { emit, isOwn } from "./emit.js";
import { Imports } from "./imports.js";
import { Unfit } from "./schemas.js";

/** @typedef {import("typescript")} TS */

/**
 * The options of the module's own `tsconfig.json`, but for how files are written and found.
 *
 * @param {TS} ts
 * @param {string} entry
 * @param {string} root
 * @param {string} types
 */
function optionsFor(ts, entry, root, types) {
  const found = ts.findConfigFile(dirname(entry), ts.sys.fileExists);
  const config = found && !relative(root, found).startsWith("..") ? found : undefined;
  const read = config ? ts.readConfigFile(config, ts.sys.readFile) : { config: {} };
  const parsed = config ? ts.parseJsonConfigFileContent(read.config ?? {}, ts.sys, dirname(config)) : null;
  // "No inputs were found" is of no interest: the input is the entry.
  const wrong = [read.error, ...(parsed?.errors ?? [])].filter((each) => each && each.code !== 18003);
  /** @type {import("typescript").CompilerOptions} */
  const own = parsed?.options ?? { strict: true, noImplicitAny: false, allowJs: true, checkJs: false };
  const roots = /** @type {any} */ (ts).getDefaultTypeRoots?.(dirname(entry)) ?? [];
  /** @type {import("typescript").CompilerOptions} */
  const options = {
    esModuleInterop: true,
    ...own,
    typeRoots: [...(own.typeRoots ?? roots), types],
    types: own.types ?? (config ? undefined : ["node"]),
    target: ts.ScriptTarget.ES2022,
    lib: own.lib ?? ["lib.esnext.d.ts"],
    // Both kinds of module, each by its name; before TypeScript 5.4 there are only the newer ones.
    module: ts.ModuleKind.Preserve ?? ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    resolveJsonModule: true,
    jsx: ts.JsxEmit.React,
    skipLibCheck: true,
    inlineSourceMap: true,
    inlineSources: false,
  };
  for (const none of NOT_OURS) options[none] = undefined;
  return { options, wrong: /** @type {import("typescript").Diagnostic[]} */ (wrong) };
}

/** What a `tsconfig.json` may say of the files that its own builds write. */
const NOT_OURS = [
  "allowImportingTsExtensions",
  "baseUrl",
  "composite",
  "customConditions",
  "declaration",
  "declarationDir",
  "declarationMap",
  "emitDeclarationOnly",
  "incremental",
  "isolatedDeclarations",
  "mapRoot",
  "noEmit",
  "noEmitOnError",
  "outDir",
  "outFile",
  "rewriteRelativeImportExtensions",
  "rootDir",
  "sourceMap",
  "sourceRoot",
  "tsBuildInfoFile",
];

/**
 * @param {import("./compiler.js").Compiler} compiler
 * @param {string} entry
 * @param {string} root the folder of its package; nothing above it says how to compile
 * @param {string} folder what is being built
 */
export function compile({ ts, types }, entry, root, folder) {
  const { options, wrong } = optionsFor(ts, entry, root, types);
  const imports = new Imports(ts, options, folder);
  const program = ts.createProgram([entry], options, imports.host());
  refuse(ts, entry, [...wrong, ...program.getSyntacticDiagnostics()]);
  refuse(ts, entry, semantics(program));
  const functions = contractsOf(ts, program, entry);
  emit(ts, program, imports, entry, folder);
  writeFileSync(join(folder, "contracts.json"), JSON.stringify({ functions }));
}

/** @param {TS} ts @param {string} entry @param {import("typescript").Diagnostic[]} found */
function refuse(ts, entry, found) {
  const errors = found.filter((each) => each.category === ts.DiagnosticCategory.Error);
  if (!errors.length) return;
  throw new Unfit(
    ts.formatDiagnostics(ts.sortAndDeduplicateDiagnostics(errors), {
      getCurrentDirectory: () => dirname(entry),
      getCanonicalFileName: (name) => name,
      getNewLine: () => "\n",
    }),
  );
}

/** What is wrong with the types of the module's own files. @param {import("typescript").Program} program */
function semantics(program) {
  return program
    .getSourceFiles()
    .filter(isOwn)
    .flatMap((file) => program.getSemanticDiagnostics(file))
    .filter((each) => each.code !== IMPORTED_BY_ITS_NAME);
}

/** "An import path can only end with a '.ts' extension when …": it is resolved to what was compiled. */
const IMPORTED_BY_ITS_NAME = 5097;
