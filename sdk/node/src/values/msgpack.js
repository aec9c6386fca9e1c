/** MessagePack, strict and bounded (SPEC §18): int 64, float 64, str in UTF-8, bin, and timestamps as RFC 3339 text. */

import { isUtf8 } from "node:buffer";
import { Malformed, put } from "./json.js";
import { DEPTH_MAX, Unsayable, kindOf, pointer } from "./walk.js";

const INT_MIN = -(2n ** 63n);
const INT_MAX = 2n ** 64n - 1n;
const TIMESTAMP = -1;

/** An integer past 64 bits: the whole body is said in JSON. */
export class TooWide extends Unsayable {}

// Reading

/** @param {Buffer} body @returns {any} */
export function decodeMsgpack(body) {
  const reader = new Reader(body);
  const value = reader.value(0);
  if (reader.at !== body.length) throw new Malformed(`${body.length - reader.at} bytes after the value`);
  return value;
}

class Reader {
  /** @param {Buffer} body */
  constructor(body) {
    this.body = body;
    this.view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    this.at = 0;
  }

  /** Move past so many bytes; where they begin. @param {number} size */
  take(size) {
    const { at } = this;
    if (size > this.body.length - at) throw new Malformed("the body ends inside a value");
    this.at = at + size;
    return at;
  }

  /** @param {number} depth @returns {any} */
  value(depth) {
    const type = this.body[this.take(1)];
    if (type < 0x80) return type;
    if (type >= 0xe0) return type - 0x100;
    if (type < 0x90) return this.map(type & 15, depth);
    if (type < 0xa0) return this.list(type & 15, depth);
    if (type < 0xc0) return this.text(type & 31);
    return this.long(type, depth);
  }

  /** @param {number} type @param {number} depth @returns {any} */
  long(type, depth) {
    const { view } = this;
    switch (type) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
        return this.bytes(view.getUint8(this.take(1)));
      case 0xc5:
        return this.bytes(view.getUint16(this.take(2)));
      case 0xc6:
        return this.bytes(view.getUint32(this.take(4)));
      case 0xc7:
        return this.extension(view.getUint8(this.take(1)));
      case 0xc8:
        return this.extension(view.getUint16(this.take(2)));
      case 0xc9:
        return this.extension(view.getUint32(this.take(4)));
      case 0xca:
        return view.getFloat32(this.take(4));
      case 0xcb:
        return view.getFloat64(this.take(8));
      case 0xcc:
        return view.getUint8(this.take(1));
      case 0xcd:
        return view.getUint16(this.take(2));
      case 0xce:
        return view.getUint32(this.take(4));
      case 0xcf:
        return exact(view.getBigUint64(this.take(8)));
      case 0xd0:
        return view.getInt8(this.take(1));
      case 0xd1:
        return view.getInt16(this.take(2));
      case 0xd2:
        return view.getInt32(this.take(4));
      case 0xd3:
        return exact(view.getBigInt64(this.take(8)));
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.extension(1 << (type - 0xd4));
      case 0xd9:
        return this.text(view.getUint8(this.take(1)));
      case 0xda:
        return this.text(view.getUint16(this.take(2)));
      case 0xdb:
        return this.text(view.getUint32(this.take(4)));
      case 0xdc:
        return this.list(view.getUint16(this.take(2)), depth);
      case 0xdd:
        return this.list(view.getUint32(this.take(4)), depth);
      case 0xde:
        return this.map(view.getUint16(this.take(2)), depth);
      case 0xdf:
        return this.map(view.getUint32(this.take(4)), depth);
      default:
        throw new Malformed(`the byte 0x${type.toString(16)} begins no value`);
    }
  }

  /** @param {number} size */
  text(size) {
    const at = this.take(size);
    const { body } = this;
    if (size < 24) {
      // Short and ASCII, as nearly every key is: quicker than a call out of the engine.
      let text = "";
      let each = at;
      for (; each < this.at && body[each] < 0x80; each++) text += String.fromCharCode(body[each]);
      if (each === this.at) return text;
    }
    if (!isUtf8(body.subarray(at, this.at))) throw new Malformed("text that is not UTF-8");
    return body.toString("utf8", at, this.at);
  }

  /** @param {number} size */
  bytes(size) {
    const at = this.take(size);
    return Buffer.from(this.body.subarray(at, this.at));
  }

  /** @param {number} size @param {number} depth */
  list(size, depth) {
    if (depth >= DEPTH_MAX) throw new Malformed(`nested more than ${DEPTH_MAX} deep`);
    if (size > this.body.length - this.at) throw new Malformed("a list longer than its body");
    const list = [];
    for (let at = 0; at < size; at++) list.push(this.value(depth + 1));
    return list;
  }

  /** @param {number} size @param {number} depth */
  map(size, depth) {
    if (depth >= DEPTH_MAX) throw new Malformed(`nested more than ${DEPTH_MAX} deep`);
    if (size * 2 > this.body.length - this.at) throw new Malformed("a map longer than its body");
    /** @type {Record<string, unknown>} */
    const map = {};
    for (let at = 0; at < size; at++) {
      const key = this.value(depth + 1);
      if (typeof key !== "string") throw new Malformed(`a key that is no text but a ${typeof key}`);
      put(map, key, this.value(depth + 1));
    }
    return map;
  }

  /** @param {number} size */
  extension(size) {
    const type = this.view.getInt8(this.take(1));
    const at = this.take(size);
    if (type !== TIMESTAMP || (size !== 4 && size !== 8 && size !== 12)) {
      throw new Malformed(`extension ${type} of ${size} bytes has no meaning here`);
    }
    const { view } = this;
    if (size === 4) return moment(BigInt(view.getUint32(at)), 0);
    if (size === 12) return moment(view.getBigInt64(at + 4), view.getUint32(at));
    const both = view.getBigUint64(at);
    return moment(both & 0x3_ffff_ffffn, Number(both >> 34n));
  }
}

/** @param {bigint} value */
function exact(value) {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** A timestamp as text. @param {bigint} seconds @param {number} nanos */
function moment(seconds, nanos) {
  if (nanos > 999_999_999 || seconds < -62_167_219_200n || seconds > 253_402_300_799n) {
    throw new Malformed("a timestamp outside the years 0 to 9999");
  }
  const text = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  const fraction = nanos ? `.${String(nanos).padStart(9, "0").replace(/0+$/, "")}` : "";
  return `${text}${fraction}Z`;
}

// Writing

/** @param {unknown} value @returns {Buffer} */
export function writeMsgpack(value) {
  const writer = new Writer();
  writer.value(value, "", 0);
  return writer.buffer.subarray(0, writer.at);
}

class Writer {
  constructor() {
    this.buffer = Buffer.allocUnsafeSlow(1024);
    this.at = 0;
  }

  /** Room for so many bytes; where they begin. @param {number} size */
  room(size) {
    const { at } = this;
    if (at + size > this.buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(at + size, 2 * this.buffer.length));
      this.buffer.copy(grown, 0, 0, at);
      this.buffer = grown;
    }
    this.at = at + size;
    return at;
  }

  /** @param {number} byte */
  byte(byte) {
    const at = this.room(1);
    this.buffer[at] = byte;
  }

  /** A type byte with a size of 1, 2 or 4 bytes after it. @param {number} size @param {number} one 0 where there is none @param {number} two */
  sized(size, one, two) {
    if (one && size < 0x100) {
      this.byte(one);
      this.byte(size);
    } else if (size < 0x1_0000) {
      this.byte(two);
      {
        const at = this.room(2);
        this.buffer.writeUInt16BE(size, at);
      }
    } else {
      this.byte(two + 1);
      {
        const at = this.room(4);
        this.buffer.writeUInt32BE(size, at);
      }
    }
  }

  /** @param {unknown} value @param {string} path @param {number} depth */
  value(value, path, depth) {
    const said = kindOf(value, path);
    if (said === null) this.byte(0xc0);
    else if (typeof said === "string") this.text(said);
    else if (typeof said === "number") this.number(said);
    else if (typeof said === "boolean") this.byte(said ? 0xc3 : 0xc2);
    else if (typeof said === "bigint") this.wide(said, path);
    else if (Buffer.isBuffer(said)) {
      this.sized(said.length, 0xc4, 0xc5);
      const at = this.room(said.length);
      said.copy(this.buffer, at);
    } else if (depth >= DEPTH_MAX) throw new Unsayable(`nested more than ${DEPTH_MAX} deep, or in a circle`, "");
    else if ("list" in said) this.list([...said.list], path, depth);
    else
      this.map(
        [...said.entries].filter(([, each]) => each !== undefined),
        path,
        depth,
      );
  }

  /** @param {number} value */
  number(value) {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      this.byte(0xcb);
      {
        const at = this.room(8);
        this.buffer.writeDoubleBE(value, at);
      }
    } else if (value >= 0) this.natural(value);
    else if (value >= -32) this.byte(value & 0xff);
    else if (value >= -0x80) {
      this.byte(0xd0);
      {
        const at = this.room(1);
        this.buffer.writeInt8(value, at);
      }
    } else if (value >= -0x8000) {
      this.byte(0xd1);
      {
        const at = this.room(2);
        this.buffer.writeInt16BE(value, at);
      }
    } else if (value >= -0x8000_0000) {
      this.byte(0xd2);
      {
        const at = this.room(4);
        this.buffer.writeInt32BE(value, at);
      }
    } else {
      this.byte(0xd3);
      {
        const at = this.room(8);
        this.buffer.writeBigInt64BE(BigInt(value), at);
      }
    }
  }

  /** @param {number} value */
  natural(value) {
    if (value < 0x80) this.byte(value);
    else if (value < 0x100) {
      this.byte(0xcc);
      this.byte(value);
    } else if (value < 0x1_0000) {
      this.byte(0xcd);
      {
        const at = this.room(2);
        this.buffer.writeUInt16BE(value, at);
      }
    } else if (value < 0x1_0000_0000) {
      this.byte(0xce);
      {
        const at = this.room(4);
        this.buffer.writeUInt32BE(value, at);
      }
    } else {
      this.byte(0xcf);
      {
        const at = this.room(8);
        this.buffer.writeBigUInt64BE(BigInt(value), at);
      }
    }
  }

  /** @param {bigint} value @param {string} path */
  wide(value, path) {
    if (value > INT_MAX || value < INT_MIN) throw new TooWide("an integer past 64 bits", path);
    const number = Number(value);
    if (Number.isSafeInteger(number)) return this.number(number);
    this.byte(value < 0n ? 0xd3 : 0xcf);
    const at = this.room(8);
    if (value < 0n) this.buffer.writeBigInt64BE(value, at);
    else this.buffer.writeBigUInt64BE(value, at);
  }

  /** @param {string} text */
  text(text) {
    const size = Buffer.byteLength(text);
    if (size < 32) this.byte(0xa0 | size);
    else this.sized(size, 0xd9, 0xda);
    const at = this.room(size);
    this.buffer.write(text, at, "utf8");
  }

  /** @param {unknown[]} list @param {string} path @param {number} depth */
  list(list, path, depth) {
    if (list.length < 16) this.byte(0x90 | list.length);
    else this.sized(list.length, 0, 0xdc);
    for (let at = 0; at < list.length; at++) this.value(list[at], `${path}/${at}`, depth + 1);
  }

  /** @param {[string, unknown][]} entries @param {string} path @param {number} depth */
  map(entries, path, depth) {
    if (entries.length < 16) this.byte(0x80 | entries.length);
    else this.sized(entries.length, 0, 0xde);
    for (const [key, each] of entries) {
      if (!key.isWellFormed()) throw new Unsayable("a key with a lone surrogate", path);
      this.text(key);
      this.value(each, path + pointer(key), depth + 1);
    }
  }
}
