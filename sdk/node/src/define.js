/** A contract put on a function. */

/**
 * @param {import("./index.js").Contract} contract
 * @param {any} func
 */
export function define(contract, func) {
  return Object.assign(func, contract);
}
