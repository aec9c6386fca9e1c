/** Frames on their way out: collected in one buffer, so that what is said together leaves together. */

import { crc32 } from "./checksum.js";
import { Flag, HEADER_BYTES, NO_BYTES, VERSION, writeKey, writeU32 } from "./frame.js";

/** @typedef {import("./frame.js").Key} Key */
/** @typedef {Buffer | string} Body a string has at most `TEXT_CHARS_MAX` characters */

const CHUNK_BYTES = 64 * 1024;
/** Bodies from this size on are sent from where they lie. */
const APART_BYTES = 16 * 1024;
/** Text up to this is encoded into the batch itself; three bytes a character, it fits every frame with its meta. */
export const TEXT_CHARS_MAX = 16_000;

/** @param {string} text @returns {Body} */
export function bodyOf(text) {
  return text.length <= TEXT_CHARS_MAX ? text : Buffer.from(text);
}

export class Batch {
  constructor() {
    this.chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    /** Bytes in `chunk`. @type {number} */
    this.used = 0;
    /** What comes before `chunk`. @type {Buffer[]} */
    this.parts = [];
    this.partsBytes = 0;
  }

  get size() {
    return this.partsBytes + this.used;
  }

  /**
   * Add a frame; return the bytes of its body.
   *
   * @param {number} kind
   * @param {number} flags
   * @param {number} codec
   * @param {number} func
   * @param {Key} call
   * @param {number} amount
   * @param {Buffer} meta
   * @param {Body} body
   */
  put(kind, flags, codec, func, call, amount, meta, body) {
    const text = typeof body === "string";
    const most = text ? body.length * 3 : body.length < APART_BYTES ? body.length : 0;
    const need = HEADER_BYTES + meta.length + most;
    if (this.used + need > CHUNK_BYTES) this._seal();
    const { chunk } = this;
    const at = this.used;
    let stop = at + HEADER_BYTES;
    if (meta.length) stop += meta.copy(chunk, stop);
    const start = stop;
    if (text) stop += chunk.write(body, stop);
    else if (most) stop += body.copy(chunk, stop);
    const bytes = text || most ? stop - start : body.length;
    writeU32(chunk, at, meta.length + bytes);
    chunk[at + 4] = VERSION;
    chunk[at + 5] = kind;
    chunk[at + 6] = flags;
    chunk[at + 7] = codec;
    writeU32(chunk, at + 8, func);
    writeU32(chunk, at + 12, meta.length);
    writeKey(chunk, at + 16, call);
    writeU32(chunk, at + 24, amount);
    let sum = 0;
    if (flags & Flag.CHECKSUM) sum = crc32(text || most ? chunk.subarray(start, stop) : body, crc32(meta));
    writeU32(chunk, at + 28, sum);
    this.used = stop;
    if (!text && !most && bytes) {
      this._seal();
      this.parts.push(/** @type {Buffer} */ (body));
      this.partsBytes += bytes;
    }
    return bytes;
  }

  /** Everything so far, to be kept by the caller. */
  take() {
    this._seal();
    const { parts } = this;
    this.parts = [];
    this.partsBytes = 0;
    return parts;
  }

  /** Forget the first bytes of the chunk, where nothing comes before it. @param {number} bytes */
  drop(bytes) {
    if (bytes < this.used) this.chunk.copyWithin(0, bytes, this.used);
    this.used -= bytes;
  }

  _seal() {
    if (!this.used) return;
    this.parts.push(this.used === CHUNK_BYTES ? this.chunk : this.chunk.subarray(0, this.used));
    this.partsBytes += this.used;
    this.chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    this.used = 0;
  }
}

/** @param {Buffer[]} parts */
export function joined(parts) {
  return parts.length === 1 ? parts[0] : parts.length ? Buffer.concat(parts) : NO_BYTES;
}
