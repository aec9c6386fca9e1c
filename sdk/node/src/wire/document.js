/** JSON bodies of frames: strict objects, written so that any reader takes them. */

import { isUtf8 } from "node:buffer";
import { writeJson } from "../values/json.js";
import { ProtocolFault } from "./protocol-fault.js";

/** Deeper than anything that a handshake or a report says. */
const DEPTH_MAX = 500;

/** @typedef {Record<string, unknown>} Document */

/**
 * @param {Buffer} body
 * @param {string} what the kind of its frame
 * @returns {Document}
 */
export function load(body, what) {
  if (!isUtf8(body)) throw new ProtocolFault("json", `the body of ${what} is not UTF-8`);
  let value;
  try {
    value = JSON.parse(body.toString("utf8"));
    value = scrub(value, 0);
  } catch (error) {
    throw new ProtocolFault("json", `the body of ${what} is not JSON: ${/** @type {Error} */ (error).message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ProtocolFault("json", `the body of ${what} is not an object`);
  }
  return value;
}

/**
 * Read lone surrogates as U+FFFD, since the text of a log line must not end a connection; refuse what is no number.
 *
 * @param {any} value
 * @param {number} depth
 * @returns {any}
 */
function scrub(value, depth) {
  if (typeof value === "string") return value.isWellFormed() ? value : value.toWellFormed();
  if (typeof value === "number" && !Number.isFinite(value)) throw new RangeError("a number past every float");
  if (typeof value !== "object" || value === null) return value;
  if (depth > DEPTH_MAX) throw new RangeError(`nested more than ${DEPTH_MAX} deep`);
  for (const key of Object.keys(value)) {
    const each = value[key];
    const clean = scrub(each, depth + 1);
    const name = Array.isArray(value) ? key : key.toWellFormed();
    if (clean === each && name === key) continue;
    if (name !== key) delete value[key];
    Object.defineProperty(value, name, { value: clean, writable: true, enumerable: true, configurable: true });
  }
  return value;
}

/** Integers past 2^53, as BigInts, are written as digits. @param {unknown} document @returns {Buffer} */
export function dump(document) {
  let wide = false;
  const text = JSON.stringify(document, (_, value) => {
    if (typeof value !== "bigint") return typeof value === "string" ? value.toWellFormed() : value;
    wide = true;
    return null;
  });
  return Buffer.from(wide ? writeJson(document) : text);
}

/**
 * @param {Document} document
 * @param {string} key
 * @param {string} what
 * @param {string} [fallback]
 */
export function textOf(document, key, what, fallback) {
  const value = own(document, key) ?? (key in document ? null : fallback);
  if (typeof value !== "string") throw wrong(what, key, "a string", value);
  return value;
}

/**
 * @param {Document} document
 * @param {string} key
 * @param {string} what
 * @param {number} [fallback]
 */
export function numberOf(document, key, what, fallback) {
  const value = own(document, key) ?? (key in document ? null : fallback);
  if (typeof value !== "number") throw wrong(what, key, "a number", value);
  return value;
}

/**
 * @param {Document} document
 * @param {string} key
 * @param {string} what
 * @param {number} least
 * @param {number} [fallback]
 */
export function integerOf(document, key, what, least, fallback) {
  const value = numberOf(document, key, what, fallback);
  if (!Number.isInteger(value)) throw wrong(what, key, "a whole number", value);
  if (value < least)
    throw new ProtocolFault("handshake", `${what}: \`${key}\` is ${value}; it must be at least ${least}`);
  return value;
}

/**
 * @param {Document} document
 * @param {string} key
 * @param {string} what
 * @returns {unknown[]}
 */
export function itemsOf(document, key, what) {
  const value = own(document, key) ?? (key in document ? null : []);
  if (!Array.isArray(value)) throw wrong(what, key, "a list", value);
  return value;
}

/**
 * @param {Document} document
 * @param {string} key
 * @param {string} what
 * @returns {string[]}
 */
export function namesOf(document, key, what) {
  const names = itemsOf(document, key, what);
  if (!names.every((each) => typeof each === "string")) throw wrong(what, key, "a list of strings", names);
  return /** @type {string[]} */ (names);
}

/**
 * @param {Document} document
 * @param {string} key
 * @param {string} what
 * @returns {Document}
 */
export function sectionOf(document, key, what) {
  const value = own(document, key) ?? (key in document ? null : {});
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(what, key, "an object", value);
  return /** @type {Document} */ (value);
}

/** @param {Document} document @param {string} key */
function own(document, key) {
  return Object.hasOwn(document, key) ? document[key] : undefined;
}

/**
 * @param {string} what
 * @param {string} key
 * @param {string} wanted
 * @param {unknown} value
 */
function wrong(what, key, wanted, value) {
  const got = value === undefined ? "missing" : value === null ? "null" : typeof value;
  return new ProtocolFault("json", `${what}: \`${key}\` must be ${wanted}, not ${got}`);
}
