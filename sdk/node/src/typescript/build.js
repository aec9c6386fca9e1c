#!/usr/bin/env node
/**
 * Builds a TypeScript module for a worker: `build.js SOURCE ROOT FOLDER KEEP NPM` writes into FOLDER
 *
 *     contracts.json   what its exported functions promise, read from their types
 *     compiled.json    each of its files, by its path from the module's folder: what it was compiled to, and which file
 *                      each of its imports means
 *     js/              that
 *
 * ROOT is the folder of its package; nothing above it says how to compile.
 */

import { resolve } from "node:path";
import { entryOf } from "../guest/loader.js";
import { compile } from "./compile.js";
import { compilerFor } from "./compiler.js";
import { Unfit } from "./schemas.js";

async function main() {
  const [source, root, folder, keep, npm] = process.argv.slice(2);
  const entry = entryOf(resolve(source));
  compile(await compilerFor(entry, folder, keep, npm), entry, resolve(root), folder);
}

main().catch((error) => {
  process.stderr.write(`${error instanceof Unfit ? error.message : error.stack}\n`);
  process.exit(1);
});
