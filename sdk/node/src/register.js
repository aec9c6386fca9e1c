/**
 * `node --import dragoman/register --test`: modules that are served by a host run by themselves, as in their own tests:
 * TypeScript is compiled, without being checked, and this package is found.
 */

import { register } from "node:module";
import { join } from "node:path";

register("./typescript/loading.js", {
  parentURL: import.meta.url,
  data: { folder: process.cwd(), keep: join(process.cwd(), ".dragoman", "keep"), npm: "npm" },
});
process.setSourceMapsEnabled(true);
