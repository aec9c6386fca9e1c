/** How a worker finds what its module imports: TypeScript as it was compiled, and this package where none is installed. */

/**
 * @param {string} path the module
 * @param {string} built the folder of what was built for it, or ""
 */
export async function prepare(path, built) {
  void path;
  void built;
}
