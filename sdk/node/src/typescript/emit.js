/** Writing what a program was compiled to, and which file each import means, for the hooks that load it. */

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

/** @typedef {import("typescript")} TS */
/** @typedef {import("typescript").SourceFile} SourceFile */
/** @typedef {{file: string, format: "module" | "commonjs", imports: Record<string, string>}} Compiled */

/** Whether a file is TypeScript of the user's own. @param {SourceFile} file */
export function isOwn(file) {
  return !file.isDeclarationFile && !file.fileName.includes("/node_modules/") && /\.[cm]?tsx?$/.test(file.fileName);
}

/**
 * @param {TS} ts
 * @param {import("typescript").Program} program
 * @param {import("./imports.js").Imports} imports
 * @param {string} entry
 * @param {string} folder
 */
export function emit(ts, program, imports, entry, folder) {
  const root = dirname(entry);
  /** @type {Record<string, Compiled>} */
  const compiled = {};
  mkdirSync(join(folder, "js"));
  for (const file of program.getSourceFiles().filter(isOwn)) {
    const common = file.fileName.endsWith(".cts");
    const name = join("js", `${Object.keys(compiled).length}.js`);
    writeFileSync(join(folder, name), common ? commonJs(ts, program, file) : written(program, file));
    compiled[relative(root, file.fileName)] = {
      file: name,
      format: common ? "commonjs" : "module",
      imports: imports.of(file, root),
    };
  }
  writeFileSync(join(folder, "compiled.json"), JSON.stringify(compiled));
}

/** @param {import("typescript").Program} program @param {SourceFile} file */
function written(program, file) {
  let text = "";
  program.emit(file, (name, written) => {
    if (/\.[cm]?jsx?$/.test(name)) text = written;
  });
  return text;
}

/** A module that says by its name that it is CommonJS. @param {TS} ts @param {import("typescript").Program} program @param {SourceFile} file */
function commonJs(ts, program, file) {
  const compilerOptions = { ...program.getCompilerOptions(), module: ts.ModuleKind.CommonJS, paths: undefined };
  return ts.transpileModule(file.text, { fileName: file.fileName, compilerOptions }).outputText;
}
