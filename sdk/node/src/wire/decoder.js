/**
 * The incremental decoder: bytes in any pieces in, whole frames out.
 *
 * A read that holds whole frames is parsed in place, and their bodies are views of it. A frame that spans reads is
 * gathered in a buffer of its own, which grows with the bytes received, never with a length that a header claims.
 */

import { crc32 } from "./checksum.js";
import {
  BODY_BYTES_MAX,
  CORRUPT,
  FLAGS_OF,
  FRAME_BYTES_MAX,
  Flag,
  Frame,
  HEADER_BYTES,
  KIND_NAMES,
  Kind,
  META_BYTES_MAX,
  NO_BYTES,
  REGION_BYTES,
  VERSION,
  readKey,
  readU32,
} from "./frame.js";
import { ProtocolFault } from "./protocol-fault.js";

const { CALL, ITEM, END, HELLO, READY, FAULT, EVENT, RELEASE } = Kind;
const CODEC_MAX = 4;
/** A frame in pieces begins with room for this; it doubles as bytes come. */
const GATHER_BYTES = 64 * 1024;

/**
 * Why a codec byte is wrong for its kind, if it is.
 *
 * @param {number} kind
 * @param {number} codec
 */
function codecAllowed(kind, codec) {
  if (kind === CALL) return (codec & 15) <= CODEC_MAX && codec >> 4 <= CODEC_MAX;
  if (kind === ITEM || kind === END) return codec <= CODEC_MAX;
  return codec === (kind === HELLO || kind === READY || kind === FAULT || kind === EVENT ? 1 : 0);
}

/** Cuts a byte stream into frames. Dead after its first fault. */
export class Decoder {
  /** @param {number} [limit] the largest `length` of CALL, ITEM and END, in bytes */
  constructor(limit = FRAME_BYTES_MAX) {
    this.limit = limit;
    /** Whether the two sides agreed on shared memory. */
    this.segments = false;
    /** @type {ProtocolFault | null} */
    this.fault = null;
    /** @type {Buffer} */
    this._part = NO_BYTES;
    this._size = 0;
    /** Bytes of the frame in progress with its header; 0 while the header is not whole. */
    this._whole = 0;
  }

  /** Bytes that the frame in progress still lacks, as far as that is known; 0 between frames. */
  get missing() {
    if (!this._size) return 0;
    return (this._whole || HEADER_BYTES) - this._size;
  }

  /**
   * Take the next bytes; return the frames that they complete.
   *
   * @param {Buffer} data
   * @returns {Frame[]}
   */
  feed(data) {
    if (this.fault !== null) throw new ProtocolFault(this.fault.reason, this.fault.detail);
    /** @type {Frame[]} */
    const frames = [];
    try {
      let at = 0;
      if (this._size) at = this._resume(data, frames);
      this._parse(data, at, frames);
    } catch (error) {
      if (error instanceof ProtocolFault) {
        this.fault = error;
        error.frames = frames;
        this._part = NO_BYTES;
      }
      throw error;
    }
    return frames;
  }

  /** Where the next read may put its bytes at once, if most of a large body is missing. */
  target() {
    const missing = this._whole ? this._whole - this._size : 0;
    if (missing < GATHER_BYTES || this.fault !== null) return null;
    this._grow(Math.min(this._whole, Math.max(this._size + GATHER_BYTES, this._size * 2)));
    return this._part.subarray(this._size);
  }

  /**
   * Take bytes that were read into `target()`.
   *
   * @param {number} size
   * @returns {Frame[]}
   */
  filled(size) {
    this._size += size;
    if (this._size < this._whole) return [];
    return [this._complete()];
  }

  /**
   * @param {Buffer} data
   * @param {number} at
   * @param {Frame[]} frames
   */
  _parse(data, at, frames) {
    const end = data.length;
    while (end - at >= HEADER_BYTES) {
      const length = readU32(data, at);
      const kind = data[at + 5];
      const flags = data[at + 6];
      const codec = data[at + 7];
      const meta = readU32(data, at + 12);
      this._check(data[at + 4], kind, flags, codec, length, meta);
      const start = at + HEADER_BYTES;
      const stop = start + length;
      if (stop > end) {
        this._begin(data, at, HEADER_BYTES + length);
        return;
      }
      frames.push(this._frame(data, at, stop, false));
      at = stop;
    }
    if (at < end) this._begin(data, at, 0);
  }

  /**
   * Start to gather a frame, whose size is known or not (0).
   *
   * @param {Buffer} data
   * @param {number} at
   * @param {number} whole
   */
  _begin(data, at, whole) {
    const size = data.length - at;
    this._part = Buffer.allocUnsafeSlow(whole ? Math.min(whole, Math.max(2 * size, GATHER_BYTES)) : HEADER_BYTES);
    data.copy(this._part, 0, at);
    this._size = size;
    this._whole = whole;
  }

  /**
   * Go on with the frame in progress; return how much of `data` that took.
   *
   * @param {Buffer} data
   * @param {Frame[]} frames
   */
  _resume(data, frames) {
    let at = 0;
    if (!this._whole) {
      at = Math.min(HEADER_BYTES - this._size, data.length);
      data.copy(this._part, this._size, 0, at);
      this._size += at;
      if (this._size < HEADER_BYTES) return at;
      const part = this._part;
      const length = readU32(part, 0);
      this._check(part[4], part[5], part[6], part[7], length, readU32(part, 12));
      this._whole = HEADER_BYTES + length;
    }
    const take = Math.min(this._whole - this._size, data.length - at);
    if (this._size + take > this._part.length) {
      this._grow(Math.min(this._whole, Math.max(this._size + take, 2 * this._part.length)));
    }
    data.copy(this._part, this._size, at, at + take);
    this._size += take;
    if (this._size === this._whole) frames.push(this._complete());
    return at + take;
  }

  /** @param {number} size */
  _grow(size) {
    if (size <= this._part.length) return;
    const grown = Buffer.allocUnsafeSlow(size);
    this._part.copy(grown, 0, 0, this._size);
    this._part = grown;
  }

  _complete() {
    const frame = this._frame(this._part, 0, this._whole, true);
    this._part = NO_BYTES;
    this._size = this._whole = 0;
    return frame;
  }

  /**
   * @param {Buffer} data
   * @param {number} at
   * @param {number} stop
   * @param {boolean} owned
   */
  _frame(data, at, stop, owned) {
    const entries = readU32(data, at + 12);
    const start = at + HEADER_BYTES;
    let flags = data[at + 6];
    let meta = entries ? data.subarray(start, start + entries) : NO_BYTES;
    let body = stop > start + entries ? data.subarray(start + entries, stop) : NO_BYTES;
    if (flags & Flag.CHECKSUM && crc32(body, crc32(meta)) !== readU32(data, at + 28)) {
      flags |= CORRUPT;
      meta = body = NO_BYTES;
    }
    return new Frame(
      data[at + 5],
      flags,
      data[at + 7],
      readU32(data, at + 8),
      readKey(data, at + 16),
      readU32(data, at + 24),
      meta,
      body,
      owned,
    );
  }

  /**
   * Refuse a header that breaks a rule, by the first one in the order of SPEC §12.
   *
   * @param {number} version
   * @param {number} kind
   * @param {number} flags
   * @param {number} codec
   * @param {number} length
   * @param {number} meta
   */
  _check(version, kind, flags, codec, length, meta) {
    if (version !== VERSION) {
      throw new ProtocolFault("version", `frame of version ${version}; this side speaks ${VERSION}`);
    }
    if (kind < 1 || kind > RELEASE) throw new ProtocolFault("kind", `unknown kind ${kind}`);
    const name = KIND_NAMES[kind];
    const bulk = kind === CALL || kind === ITEM || kind === END;
    const segment = bulk && (flags & Flag.SEGMENT) !== 0;
    if (segment && (!this.segments || length !== meta + REGION_BYTES)) {
      const why = this.segments ? `with a body of ${length - meta} bytes` : "where nobody agreed on shared memory";
      throw new ProtocolFault("segment", `${name} with SEGMENT ${why}`);
    }
    if (flags & ~FLAGS_OF[kind]) {
      throw new ProtocolFault("flags", `flags 0x${flags.toString(16)} are not allowed on ${name}`);
    }
    if (!codecAllowed(kind, codec)) {
      throw new ProtocolFault("codec", `codec byte 0x${codec.toString(16)} is not allowed on ${name}`);
    }
    if (meta && (kind !== CALL || meta > length || meta > META_BYTES_MAX)) {
      throw new ProtocolFault("meta", `${name} with ${meta} bytes of meta in ${length}`);
    }
    const body = length - meta;
    const most = bulk && !(codec & 15) ? 0 : BODY_BYTES_MAX[kind];
    if (body > most || (bulk && length > this.limit) || (kind === RELEASE && body !== 8)) {
      throw new ProtocolFault("size", `${name} of ${length} bytes; at most ${Math.min(most, this.limit)} are taken`);
    }
  }
}
