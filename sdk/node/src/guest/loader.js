/** Loading the module that a worker serves, and what stands beside it. */

import { existsSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, extname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseJson } from "../values/json.js";
import { BadContract, bind, functionsOf } from "./contract.js";
import { prepare } from "./resolving.js";

const INDEXES = ["index.mjs", "index.js", "index.cjs", "index.mts", "index.ts", "index.cts"];

/**
 * @param {string} source a file, or a folder with a package.json or an index
 * @param {string} built the folder of what was built for it, or ""
 * @returns {Promise<import("./contract.js").Binding[]>}
 */
export async function load(source, built) {
  const path = entryOf(resolve(source));
  const beside = besideOf(path, built);
  await prepare(path, built);
  const url = pathToFileURL(path).href;
  const exported = await import(url);
  const stem = basename(path, extname(path));
  const found = functionsOf(exported, stem);
  for (const name of Object.keys(exported.schemas ?? exported.default?.schemas ?? {})) {
    beside[name] = { ...beside[name], ...(exported.schemas ?? exported.default.schemas)[name] };
  }
  found.delete("schemas");
  for (const name of Object.keys(beside)) {
    if (!found.has(name)) {
      throw new BadContract(`there is a schema for ${name}, and ${basename(path)} exports no function of that name`);
    }
  }
  if (!found.size)
    throw new BadContract(`${basename(path)} exports no function: \`export function …\` what should be called`);
  const near = createRequire(path);
  /** @param {string} name */
  const importer = (name) => import(pathToFileURL(near.resolve(name)).href);
  return Promise.all([...found].map(([name, func]) => bind(name, func, beside[name] ?? {}, importer)));
}

/**
 * What is known of functions before they are loaded: read from their types, and from `name.schema.json`.
 *
 * @param {string} path
 * @param {string} built
 * @returns {Record<string, import("./contract.js").Told>}
 */
function besideOf(path, built) {
  /** @type {Record<string, any>} */
  const beside = {};
  const typed = built && join(built, "contracts.json");
  if (typed && existsSync(typed)) Object.assign(beside, parseJson(readFileSync(typed, "utf8")).functions);
  const file = join(dirname(path), `${basename(path, extname(path))}.schema.json`);
  if (existsSync(file)) {
    let told;
    try {
      told = parseJson(readFileSync(file, "utf8"));
    } catch (error) {
      throw new BadContract(`${basename(file)}: ${/** @type {Error} */ (error).message.replace("the body", "it")}`);
    }
    if (typeof told !== "object" || told === null || Array.isArray(told)) {
      throw new BadContract(`${basename(file)} must be an object: {"name of a function": {"input": …, "output": …}}`);
    }
    for (const [name, each] of Object.entries(told))
      beside[name] = { ...beside[name], .../** @type {object} */ (each) };
  }
  return beside;
}

/** The file that is imported for a source. @param {string} source @returns {string} */
export function entryOf(source) {
  if (!existsSync(source)) throw new BadContract(`there is no ${source}`);
  if (!statSync(source).isDirectory()) return source;
  const manifest = join(source, "package.json");
  const named = existsSync(manifest) ? mainOf(JSON.parse(readFileSync(manifest, "utf8"))) : "";
  if (named) {
    const path = join(source, named);
    if (!existsSync(path)) throw new BadContract(`package.json names ${named}, and there is no such file`);
    return path;
  }
  const index = INDEXES.find((name) => existsSync(join(source, name)));
  if (!index)
    throw new BadContract(`${source} has no package.json that names its main file, and no ${INDEXES.join(", ")}`);
  return join(source, index);
}

/** @param {any} manifest @returns {string} */
function mainOf(manifest) {
  const from = (/** @type {any} */ told) => {
    while (told && typeof told === "object")
      told = told["."] ?? told.import ?? told.node ?? told.default ?? told.require;
    return typeof told === "string" ? told : "";
  };
  return from(manifest.dragoman) || from(manifest.exports) || from(manifest.module) || from(manifest.main);
}
