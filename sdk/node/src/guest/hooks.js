/**
 * Module hooks: `./a.js` and `./a` may be TypeScript, TypeScript runs as it was compiled, and a package that is not
 * installed beside the module is looked for among what was built for it, and in this library.
 *
 * The same two functions run in this thread where Node has `registerHooks` (22.15), else in the thread of its loader.
 */

import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const LIBRARY = new URL("../index.js", import.meta.url).href;
export const SOURCES = /\.[cm]?tsx?$/;
export const TRIES = [".ts", ".mts", ".cts", ".js", ".mjs", ".cjs", "/index.ts", "/index.mts", "/index.js"];

/**
 * @typedef {object} Place
 * @property {string} root the folder that the names of compiled files are relative to
 * @property {string} built
 */

/** What was compiled, by the path of its source. @type {Map<string, import("../typescript/emit.js").Compiled>} */
let compiled = new Map();
/** @type {Place} */
let place = { root: "", built: "" };

/** @param {Place} told */
export function initialize(told) {
  place = told;
  const index = told.built && join(told.built, "compiled.json");
  compiled = new Map();
  if (index && existsSync(index)) {
    for (const [name, entry] of Object.entries(JSON.parse(readFileSync(index, "utf8")))) {
      compiled.set(join(told.root, name), /** @type {any} */ (entry));
    }
  }
}

/** The file that the compiler took an import for; null if it saw none. @param {string} specifier @param {string | undefined} parent */
function known(specifier, parent) {
  if (!compiled.size || !parent?.startsWith("file:")) return null;
  const path = compiled.get(fileURLToPath(parent))?.imports[specifier];
  if (path === undefined) return null;
  const url = pathToFileURL(join(place.root, path)).href;
  // The compiler takes JSON as it stands; Node wants to be told.
  if (path.endsWith(".json")) return { url, format: "json", importAttributes: { type: "json" }, shortCircuit: true };
  const format = formatOf(url);
  return format ? { url, format, shortCircuit: true } : url;
}

/** Where else a specifier may lie; null where there is nothing. @param {string} specifier @param {string | undefined} parent @returns {string | null} */
export function elsewhere(specifier, parent) {
  if (specifier.startsWith("./") || specifier.startsWith("../")) {
    if (!parent?.startsWith("file:")) return null;
    const path = join(dirname(fileURLToPath(parent)), specifier);
    const stem = path.replace(/\.([cm]?)js$/, ".$1ts");
    const found =
      stem !== path && existsSync(stem) ? stem : TRIES.map((end) => path + end).find((each) => existsSync(each));
    return found ? pathToFileURL(found).href : null;
  }
  return specifier === "dragoman" ? LIBRARY : null;
}

/** From where a package may be found that was built for this module. */
function alternate() {
  return place.built && existsSync(join(place.built, "node_modules"))
    ? pathToFileURL(join(place.built, "index.js")).href
    : null;
}

/** @param {any} error */
export function missing(error) {
  return ["ERR_MODULE_NOT_FOUND", "MODULE_NOT_FOUND", "ERR_UNSUPPORTED_DIR_IMPORT"].includes(error?.code);
}

/** @param {string} url */
function formatOf(url) {
  const path = url.startsWith("file:") ? fileURLToPath(url) : "";
  return compiled.get(path)?.format;
}

/** @param {string} specifier @param {any} context @param {any} next */
export async function resolve(specifier, context, next) {
  const found = known(specifier, context.parentURL);
  if (found && typeof found !== "string") return found;
  try {
    return mark(await next(found ?? specifier, context));
  } catch (error) {
    return otherwise(error, specifier, context, next);
  }
}

/** @param {string} specifier @param {any} context @param {any} next */
export function resolveSync(specifier, context, next) {
  const found = known(specifier, context.parentURL);
  if (found && typeof found !== "string") return found;
  try {
    return mark(next(found ?? specifier, context));
  } catch (error) {
    return otherwise(error, specifier, context, next);
  }
}

/**
 * @param {unknown} error
 * @param {string} specifier
 * @param {any} context
 * @param {any} next
 */
function otherwise(error, specifier, context, next) {
  if (!missing(error)) throw error;
  const url = elsewhere(specifier, context.parentURL);
  if (url) return mark({ url, shortCircuit: true });
  const parentURL = /^[a-z@]/i.test(specifier) ? alternate() : null;
  if (!parentURL || context.parentURL === parentURL) throw error;
  return next(specifier, { ...context, parentURL });
}

/** Say the format of what was compiled. @param {any} result */
function mark(result) {
  const format = formatOf(result.url);
  return format ? { ...result, format } : result;
}

/** @param {string} url */
function sourceOf(url) {
  const entry = url.startsWith("file:") ? compiled.get(fileURLToPath(url)) : undefined;
  if (entry) {
    return { format: entry.format, source: readFileSync(join(place.built, entry.file), "utf8"), shortCircuit: true };
  }
  if (compiled.size && url.startsWith("file:") && SOURCES.test(url) && !url.includes("/node_modules/")) {
    const name = relative(place.root, fileURLToPath(url));
    throw new Error(`${name} was not compiled: it is imported in a way that the compiler did not see`);
  }
  return null;
}

/** @param {string} url @param {any} context @param {any} next */
export async function load(url, context, next) {
  return sourceOf(url) ?? next(url, context);
}

/** @param {string} url @param {any} context @param {any} next */
export function loadSync(url, context, next) {
  return sourceOf(url) ?? next(url, context);
}
