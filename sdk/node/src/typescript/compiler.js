/** Which `typescript` compiles a module: the one of its package, or one that npm fetches, as locked, into a cache. */

import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const LOCKED = fileURLToPath(new URL("../../compiler/", import.meta.url));
const DEVELOPED = fileURLToPath(new URL("../../node_modules/", import.meta.url));
const QUIET = ["--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error", "--ignore-scripts"];

/** @typedef {import("typescript")} TS */
/**
 * @typedef {object} Compiler
 * @property {TS} ts
 * @property {string} types a folder with the types of Node, for a package that has none
 */

/**
 * @param {string} entry the module
 * @param {string} built what is being built for it, with the dependencies that were installed there
 * @param {string} keep a folder that stays from build to build
 * @param {string} npm
 * @param {string} [developed] the modules of this package, where it is being developed
 * @returns {Promise<Compiler>}
 */
export async function compilerFor(entry, built, keep, npm, developed = DEVELOPED) {
  const modules = existsSync(join(developed, "typescript")) ? developed : fetched(keep, npm);
  const types = join(modules, "@types");
  for (const near of [entry, join(built, "index.js"), join(types, "index.js")]) {
    let place;
    try {
      place = createRequire(near).resolve("typescript");
    } catch {
      continue;
    }
    const { default: found } = await import(pathToFileURL(place).href);
    if (typeof found?.createProgram === "function") return { ts: found, types };
  }
  throw new Error(`there is no compiler in ${types}/..: remove that folder`);
}

/** The folder of the locked compiler's modules. @param {string} keep @param {string} npm */
function fetched(keep, npm) {
  const lock = readFileSync(join(LOCKED, "package-lock.json"));
  const home = join(keep, `compiler-${createHash("sha256").update(lock).digest("hex").slice(0, 12)}`);
  if (!existsSync(home)) fetchInto(home, keep, npm);
  return join(home, "node_modules");
}

/** Several builds may do so at once: the folder of whoever is first stays. @param {string} home @param {string} keep @param {string} npm */
function fetchInto(home, keep, npm) {
  mkdirSync(keep, { recursive: true });
  const work = mkdtempSync(`${home}.`);
  try {
    for (const name of ["package.json", "package-lock.json"]) copyFileSync(join(LOCKED, name), join(work, name));
    process.stdout.write("npm ci: the TypeScript compiler\n");
    execFileSync(npm, ["ci", ...QUIET], { cwd: work, stdio: "inherit" });
    renameSync(work, home);
  } catch (error) {
    if (!existsSync(home)) throw error;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
