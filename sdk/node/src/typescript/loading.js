/** Module hooks that compile TypeScript as it is loaded, one file at a time: for tests, outside of any worker. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SOURCES, elsewhere, missing } from "../guest/hooks.js";
import { compilerFor } from "./compiler.js";

/** @type {{folder: string, keep: string, npm: string}} */
let place = { folder: "", keep: "", npm: "" };
/** @type {Promise<import("./compiler.js").Compiler> | null} */
let compiler = null;

/** @param {typeof place} told */
export function initialize(told) {
  place = told;
}

/** @param {string} specifier @param {any} context @param {any} next */
export async function resolve(specifier, context, next) {
  try {
    return await next(specifier, context);
  } catch (error) {
    const url = missing(error) ? elsewhere(specifier, context.parentURL) : null;
    if (url) return { url, shortCircuit: true };
    throw error;
  }
}

/** @param {string} url @param {any} context @param {any} next */
export async function load(url, context, next) {
  if (!url.startsWith("file:") || !SOURCES.test(url) || url.includes("/node_modules/")) return next(url, context);
  compiler ??= compilerFor(join(place.folder, "index.ts"), place.folder, place.keep, place.npm);
  const { ts } = await compiler;
  const fileName = fileURLToPath(url);
  const common = fileName.endsWith(".cts");
  const { outputText } = ts.transpileModule(await readFile(fileName, "utf8"), {
    fileName,
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: common ? ts.ModuleKind.CommonJS : ts.ModuleKind.ESNext,
      esModuleInterop: true,
      inlineSourceMap: true,
      jsx: ts.JsxEmit.React,
    },
  });
  return { format: common ? "commonjs" : "module", source: outputText, shortCircuit: true };
}
