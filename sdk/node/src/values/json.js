/**
 * JSON that never rounds: integers past 2^53 are BigInts, both ways (SPEC §18).
 *
 * The engine's own parser and writer do nearly all the work; a look at the text, or a walk over the value, says when
 * they would not do. Node 20 does not show a reviver the digits, so those texts have a parser of their own.
 */

import { isAscii, isUtf8 } from "node:buffer";
import { DEPTH_MAX, Unsayable, isPlain, kindOf, pointer } from "./walk.js";

/** A body that is not what its codec says, or past what can be held. */
export class Malformed extends Error {
  /** @param {string} message @param {string} [path] JSON Pointer */
  constructor(message, path = "") {
    super(message);
    this.name = "Malformed";
    this.path = path;
  }
}

/** An integer that may be past 2^53, or a number that may be past every float. Text that looks so costs only time. */
const INEXACT = /(?:^|[[,:\s-])\d{16,}(?![\d.eE])|\d[eE]\+?\d{3}|\d{300}/;

/** @param {Buffer} body @returns {string} */
export function textOf(body) {
  if (isAscii(body)) return body.toString("latin1");
  if (!isUtf8(body)) throw new Malformed("the text is not UTF-8");
  return body.toString("utf8");
}

/** @param {Buffer} body @returns {any} */
export function decodeJson(body) {
  return parseJson(textOf(body));
}

/** @param {string} text @returns {any} */
export function parseJson(text) {
  let value;
  if (INEXACT.test(text)) value = new Parser(text).document();
  else {
    try {
      value = JSON.parse(text);
    } catch (error) {
      throw new Malformed(`the body is not JSON: ${/** @type {Error} */ (error).message}`);
    }
  }
  if (typeof value === "object" && value !== null && (text.includes("\\u") || opensPast(text, DEPTH_MAX))) {
    check(value, 0, "");
  } else if (typeof value === "string" && !value.isWellFormed()) {
    throw new Malformed("text with a lone surrogate");
  }
  return value;
}

/** Whether a text opens more than so many lists and objects. @param {string} text @param {number} most */
function opensPast(text, most) {
  if (text.length <= 2 * most) return false;
  let count = 0;
  for (const bracket of "[{") {
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) {
      if (++count > most) return true;
    }
  }
  return false;
}

/** @param {any} value @param {number} depth @param {string} path */
function check(value, depth, path) {
  if (typeof value === "string") {
    if (!value.isWellFormed()) throw new Malformed("text with a lone surrogate", path);
    return;
  }
  if (typeof value !== "object" || value === null) return;
  if (depth >= DEPTH_MAX) throw new Malformed(`nested more than ${DEPTH_MAX} deep`, "");
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) {
      const each = value[at];
      if (typeof each !== "number") check(each, depth + 1, `${path}/${at}`);
    }
    return;
  }
  for (const key of Object.keys(value)) {
    if (!key.isWellFormed()) throw new Malformed("a key with a lone surrogate", path);
    check(value[key], depth + 1, path + pointer(key));
  }
}

const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
const SPACE = /[ \t\n\r]*/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;

/** A strict parser of RFC 8259 that keeps integers exact. */
class Parser {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
    this.at = 0;
  }

  document() {
    const value = this.value(0);
    this.space();
    if (this.at < this.text.length) throw this.wrong("the end");
    return value;
  }

  space() {
    const code = this.text.charCodeAt(this.at);
    if (code > 32) return;
    SPACE.lastIndex = this.at;
    SPACE.test(this.text);
    this.at = SPACE.lastIndex;
  }

  /** @param {number} depth @returns {any} */
  value(depth) {
    this.space();
    const { text } = this;
    switch (text[this.at]) {
      case "{":
        return this.object(depth);
      case "[":
        return this.list(depth);
      case '"':
        return this.string();
      case "t":
        return this.word("true", true);
      case "f":
        return this.word("false", false);
      case "n":
        return this.word("null", null);
      default:
        return this.number();
    }
  }

  /** @param {string} word @param {unknown} value */
  word(word, value) {
    if (!this.text.startsWith(word, this.at)) throw this.wrong("a value");
    this.at += word.length;
    return value;
  }

  number() {
    NUMBER.lastIndex = this.at;
    const match = NUMBER.exec(this.text);
    if (!match) throw this.wrong("a value");
    this.at = NUMBER.lastIndex;
    const [digits, fraction, exponent] = match;
    const value = Number(digits);
    if (fraction === undefined && exponent === undefined && !Number.isSafeInteger(value)) return BigInt(digits);
    if (!Number.isFinite(value)) throw new Malformed(`the number ${digits.slice(0, 40)} is past every float`);
    return value;
  }

  string() {
    const { text, at } = this;
    const end = text.indexOf('"', at + 1);
    // Nearly all text has nothing to unescape.
    const simple = end < 0 ? "\\" : text.slice(at + 1, end);
    // eslint-disable-next-line no-control-regex -- what JSON forbids in text is control characters
    if (!/[\\\u0000-\u001f]/.test(simple)) {
      this.at = end + 1;
      return simple;
    }
    STRING.lastIndex = at;
    if (!STRING.test(text)) throw this.wrong("the end of a string");
    this.at = STRING.lastIndex;
    return JSON.parse(text.slice(at, this.at));
  }

  /** @param {number} depth */
  list(depth) {
    this.enter(depth);
    /** @type {unknown[]} */
    const list = [];
    this.space();
    if (this.text[this.at] === "]") {
      this.at++;
      return list;
    }
    for (;;) {
      list.push(this.value(depth + 1));
      if (this.ends("]")) return list;
    }
  }

  /** @param {number} depth */
  object(depth) {
    this.enter(depth);
    /** @type {Record<string, unknown>} */
    const object = {};
    this.space();
    if (this.text[this.at] === "}") {
      this.at++;
      return object;
    }
    for (;;) {
      this.space();
      if (this.text[this.at] !== '"') throw this.wrong("a key");
      const key = this.string();
      this.space();
      if (this.text[this.at] !== ":") throw this.wrong("a colon");
      this.at++;
      put(object, key, this.value(depth + 1));
      if (this.ends("}")) return object;
    }
  }

  /** @param {number} depth */
  enter(depth) {
    if (depth >= DEPTH_MAX) throw new Malformed(`nested more than ${DEPTH_MAX} deep`);
    this.at++;
  }

  /** Whether the list or object ends here; else a comma does not. @param {string} bracket */
  ends(bracket) {
    this.space();
    const found = this.text[this.at];
    if (found !== bracket && found !== ",") throw this.wrong(`a comma or ${bracket}`);
    this.at++;
    return found === bracket;
  }

  /** @param {string} wanted */
  wrong(wanted) {
    const found = this.at < this.text.length ? JSON.stringify(this.text.slice(this.at, this.at + 20)) : "nothing more";
    return new Malformed(`the body is not JSON: ${wanted} was expected at character ${this.at}, and there is ${found}`);
  }
}

/** Set a key, whatever it is called. @param {Record<string, unknown>} object @param {string} key @param {unknown} value */
export function put(object, key, value) {
  if (key === "__proto__") {
    Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  } else object[key] = value;
}

/** Write a value as JSON. Raises `Unsayable`, which names the place. @param {unknown} value @returns {string} */
export function writeJson(value) {
  if (isPlain(value)) return JSON.stringify(value);
  /** @type {string[]} */
  const parts = [];
  write(value, "", 0, parts);
  return parts.join("");
}

/** @param {unknown} value @param {string} path @param {number} depth @param {string[]} parts */
function write(value, path, depth, parts) {
  const said = kindOf(value, path);
  if (typeof said === "bigint") parts.push(said.toString());
  else if (typeof said === "number") {
    if (!Number.isFinite(said)) throw new Unsayable(`JSON has no ${said}`, path);
    parts.push(JSON.stringify(said));
  } else if (typeof said !== "object" || said === null) parts.push(JSON.stringify(said));
  else if (Buffer.isBuffer(said)) parts.push('"', said.toString("base64"), '"');
  else if (depth >= DEPTH_MAX) throw new Unsayable(`nested more than ${DEPTH_MAX} deep, or in a circle`, "");
  else if ("list" in said) {
    parts.push("[");
    let at = 0;
    for (const each of said.list) {
      if (at) parts.push(",");
      write(each, `${path}/${at++}`, depth + 1, parts);
    }
    parts.push("]");
  } else {
    parts.push("{");
    let first = true;
    for (const [key, each] of said.entries) {
      if (each === undefined) continue;
      if (!key.isWellFormed()) throw new Unsayable("a key with a lone surrogate", path);
      parts.push(first ? "" : ",", JSON.stringify(key), ":");
      first = false;
      write(each, path + pointer(key), depth + 1, parts);
    }
    parts.push("}");
  }
}
