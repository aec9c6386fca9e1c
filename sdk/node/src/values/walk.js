/** What values of JavaScript are, as they travel: told plain ones from those that need care (SPEC §18). */

/** Values nest at most this deep, every one that travels. */
export const DEPTH_MAX = 500;

/** A value that cannot travel, and where it stands in its whole. */
export class Unsayable extends Error {
  /** @param {string} message @param {string} path JSON Pointer */
  constructor(message, path) {
    super(message);
    this.name = "Unsayable";
    this.path = path;
  }
}

/** A part of a JSON Pointer. @param {string | number} key */
export function pointer(key) {
  return typeof key === "number" ? `/${key}` : `/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

/**
 * Whether `JSON.stringify` says a value as it is: finite numbers, well-formed text, plain objects and arrays.
 *
 * @param {unknown} value
 * @param {number} [depth]
 * @returns {boolean}
 */
export function isPlain(value, depth = 0) {
  switch (typeof value) {
    case "string":
      return value.isWellFormed();
    case "number":
      return Number.isFinite(value);
    case "boolean":
      return true;
    case "object":
      break;
    default:
      return false;
  }
  if (value === null) return true;
  if (depth >= DEPTH_MAX) return false;
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) {
      const each = value[at];
      if (typeof each === "number" ? !Number.isFinite(each) : !isPlain(each, depth + 1)) return false;
    }
    return true;
  }
  const prototype = Object.getPrototypeOf(value);
  if ((prototype !== Object.prototype && prototype !== null) || "toJSON" in value) return false;
  for (const key in value) {
    const each = /** @type {any} */ (value)[key];
    if (each === undefined) continue;
    if (!isPlain(each, depth + 1) || !key.isWellFormed()) return false;
  }
  return true;
}

/**
 * What a value that is not plain stands for: a scalar, bytes, a list or entries. Raises `Unsayable`.
 *
 * @param {unknown} value
 * @param {string} path
 * @returns {null | boolean | number | bigint | string | Buffer | {list: Iterable<unknown>} | {entries: Iterable<[string, unknown]>}}
 */
export function kindOf(value, path) {
  switch (typeof value) {
    case "string":
      if (!value.isWellFormed()) throw new Unsayable("text with a lone surrogate", path);
      return value;
    case "number":
    case "bigint":
    case "boolean":
      return value;
    case "object":
      return value === null ? null : objectOf(value, path);
    case "undefined":
      throw new Unsayable("undefined is no value: use null, or leave the key out", path);
    default:
      throw new Unsayable(`a ${typeof value} is no value`, path);
  }
}

/** @param {object} value @param {string} path @returns {ReturnType<typeof kindOf>} */
function objectOf(value, path) {
  if (Array.isArray(value) || value instanceof Set) return { list: value };
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof ArrayBuffer) return Buffer.from(value);
  if (value instanceof DataView) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (ArrayBuffer.isView(value)) return { list: /** @type {any} */ (value) };
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw new Unsayable("an invalid Date", path);
    return momentOf(value, path);
  }
  if (value instanceof Map) return { entries: mapEntries(value, path) };
  if (value instanceof Promise) throw new Unsayable("a Promise: await it first", path);
  if (value instanceof Error || value instanceof RegExp || value instanceof WeakMap || value instanceof WeakSet) {
    throw new Unsayable(`a ${value.constructor.name} is no value`, path);
  }
  if (value instanceof Number || value instanceof String || value instanceof Boolean)
    return kindOf(value.valueOf(), path);
  const { toJSON } = /** @type {any} */ (value);
  if (typeof toJSON === "function") {
    const said = toJSON.call(value, "");
    if (said === value) throw new Unsayable("a toJSON that returns its own object", path);
    return kindOf(said, path);
  }
  return { entries: Object.entries(value) };
}

/** @param {Date} moment @param {string} path */
function momentOf(moment, path) {
  const text = moment.toISOString();
  if (!/^\d/.test(text))
    throw new Unsayable(`a Date in the year ${moment.getUTCFullYear()}; RFC 3339 has 0 to 9999`, path);
  return text;
}

/** @param {Map<unknown, unknown>} map @param {string} path @returns {[string, unknown][]} */
function mapEntries(map, path) {
  return Array.from(map, ([key, value]) => {
    if (typeof key !== "string") throw new Unsayable(`a Map key that is a ${typeof key}: keys are text`, path);
    return [key, value];
  });
}
