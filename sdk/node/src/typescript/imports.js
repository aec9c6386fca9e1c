/** Which file an import means: what lies beside the module, then what npm installed for the build; and this package itself. */

import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const LIBRARY = fileURLToPath(new URL("../index.d.ts", import.meta.url));

/** @typedef {import("typescript")} TS */

export class Imports {
  /** @param {TS} ts @param {import("typescript").CompilerOptions} options @param {string} folder what is being built */
  constructor(ts, options, folder) {
    this.ts = ts;
    this.options = options;
    this.elsewhere = existsSync(join(folder, "node_modules")) ? join(folder, "index.ts") : "";
    this.cache = ts.createModuleResolutionCache(folder, (name) => name, options);
  }

  /** A compiler's host that resolves imports in this way. @returns {import("typescript").CompilerHost} */
  host() {
    return {
      ...this.ts.createCompilerHost(this.options, true),
      resolveModuleNameLiterals: (literals, file) =>
        literals.map((each) => ({ resolvedModule: this.resolve(each.text, file) })),
    };
  }

  /** @param {string} specifier @param {string} file @returns {import("typescript").ResolvedModuleFull | undefined} */
  resolve(specifier, file) {
    const { ts, options, cache } = this;
    if (specifier === "dragoman") {
      return { resolvedFileName: LIBRARY, extension: ts.Extension.Dts, isExternalLibraryImport: true };
    }
    const { resolvedModule: found } = ts.resolveModuleName(specifier, file, options, ts.sys, cache);
    if (found || !this.elsewhere || !/^[\w@]/.test(specifier)) return found;
    return ts.resolveModuleName(specifier, this.elsewhere, options, ts.sys, cache).resolvedModule;
  }

  /**
   * The user's own files that a file imports, as the compiler resolves them: by `paths`, without an ending, or by the
   * name of what is made of them.
   *
   * @param {import("typescript").SourceFile} file
   * @param {string} root
   */
  of(file, root) {
    /** @type {Record<string, string>} */
    const imports = {};
    for (const { fileName: specifier } of this.ts.preProcessFile(file.text, true, true).importedFiles) {
      const found = this.resolve(specifier, file.fileName);
      if (!found || found.isExternalLibraryImport || /\.d\.[cm]?ts$/.test(found.resolvedFileName)) continue;
      imports[specifier] = relative(root, found.resolvedFileName);
    }
    return imports;
  }
}
