/** How a worker finds what its module imports: TypeScript as it was compiled, and this package where none is installed. */

import { existsSync, readFileSync } from "node:fs";
import * as nodeModule from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { TRIES, initialize, loadSync, resolveSync } from "./hooks.js";

/** Imports of a module's own files are followed this far to see whether any needs this package. */
const FILES_MAX = 500;
const IMPORTS = /\bfrom\s*["']([^"'\n]+)["']|\bimport\s*\(?\s*["']([^"'\n]+)["']|\brequire\s*\(\s*["']([^"'\n]+)["']/g;

/**
 * Register the hooks, where something needs them: they cost a tenth of a worker's start.
 *
 * @param {string} path the module
 * @param {string} built the folder of what was built for it, or ""
 */
export function prepare(path, built) {
  if (built && existsSync(join(built, "compiled.json"))) process.setSourceMapsEnabled(true);
  const place = { root: dirname(path), built };
  if (!built && !needsLibrary(path)) return;
  const { registerHooks } = /** @type {any} */ (nodeModule);
  if (registerHooks) {
    initialize(place);
    registerHooks({ resolve: resolveSync, load: loadSync });
  } else nodeModule.register("./hooks.js", { parentURL: import.meta.url, data: place });
  requireElsewhere(built);
}

/** As the hooks, for `require`: those of Node 20 do not reach it, and later ones always resolve from the module itself. @param {string} built */
function requireElsewhere(built) {
  const { Module } = /** @type {any} */ (nodeModule);
  const original = Module._resolveFilename;
  /** @param {string} request @param {any[]} rest */
  Module._resolveFilename = function (request, ...rest) {
    try {
      return original.call(this, request, ...rest);
    } catch (error) {
      if (/** @type {any} */ (error).code !== "MODULE_NOT_FOUND" || !/^[a-z@]/i.test(request)) throw error;
      if (request === "dragoman") return fileURLToPath(new URL("../index.cjs", import.meta.url));
      if (!built) throw error;
      return original.call(this, request, rest[0], rest[1], { paths: [built] });
    }
  };
}

/** Whether a module, or one of the files beside it that it imports, imports this package, and there is none. @param {string} path */
function needsLibrary(path) {
  const seen = new Set([path]);
  for (const each of seen) {
    const { file, text } = moduleAt(each);
    for (const [, from, dynamic, required] of text.matchAll(IMPORTS)) {
      const name = from ?? dynamic ?? required;
      if (name === "dragoman") return !isInstalled(dirname(file));
      if (name.startsWith(".") && seen.size < FILES_MAX) seen.add(join(dirname(file), name));
    }
  }
  return false;
}

/** A module, by its path with its ending or without: `require` needs none. @param {string} path */
function moduleAt(path) {
  for (const end of ["", ...TRIES]) {
    try {
      return { file: path + end, text: readFileSync(path + end, "utf8") };
    } catch {
      // It is a folder, or is not there: the next ending may be.
    }
  }
  return { file: path, text: "" };
}

/** @param {string} folder @returns {boolean} */
function isInstalled(folder) {
  for (let at = folder; ; at = dirname(at)) {
    if (existsSync(join(at, "node_modules", "dragoman"))) return true;
    if (dirname(at) === at) return false;
  }
}
