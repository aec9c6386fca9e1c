/**
 * Frames: a header of 32 bytes, then meta, then body (SPEC §3).
 *
 * A call id is 64 bits wide, past what a number holds, and nearly always small. So an id is kept as a *key*: a host's
 * id as it is, the n-th of a guest as -1 - n, and a BigInt only where a number cannot hold that.
 */

export const VERSION = 1;
export const HEADER_BYTES = 32;
/** A frame past this is refused from its header alone, unless HELLO says otherwise. */
export const FRAME_BYTES_MAX = 64 * 1024 * 1024;
export const META_BYTES_MAX = 8192;
export const HELLO_BYTES_MAX = 1024 * 1024;
export const READY_BYTES_MAX = 16 * 1024 * 1024;
/** FAULT and EVENT: text for people, which senders cut well below this. */
export const REPORT_BYTES_MAX = 1024 * 1024;
export const PING_BYTES_MAX = 64;
export const REGION_BYTES = 16;
export const AMOUNT_MAX = 0xffff_ffff;

export const Kind = Object.freeze({
  HELLO: 1,
  READY: 2,
  CALL: 3,
  ITEM: 4,
  END: 5,
  FAULT: 6,
  CANCEL: 7,
  CREDIT: 8,
  EVENT: 9,
  PING: 10,
  PONG: 11,
  DRAIN: 12,
  BYE: 13,
  RELEASE: 14,
});

export const KIND_NAMES = Object.freeze(["", ...Object.keys(Kind)]);

export const Flag = Object.freeze({ CHECKSUM: 1, SEGMENT: 2, STREAM: 4, UNSTARTED: 8, INPUT: 16 });
/** Set by the decoder, outside the 8 bits that travel, where a checksum did not match. */
export const CORRUPT = 0x100;

export const Codec = Object.freeze({ NONE: 0, JSON: 1, MSGPACK: 2, BYTES: 3, ARROW: 4 });

/** @typedef {number | bigint} Key */

export const NO_BYTES = Buffer.alloc(0);

/** The flags that each kind may carry. */
export const FLAGS_OF = new Uint8Array(15).fill(Flag.CHECKSUM);
FLAGS_OF[0] = 0;
FLAGS_OF[Kind.CALL] = Flag.CHECKSUM | Flag.SEGMENT | Flag.STREAM | Flag.INPUT;
FLAGS_OF[Kind.ITEM] = FLAGS_OF[Kind.END] = Flag.CHECKSUM | Flag.SEGMENT;
FLAGS_OF[Kind.FAULT] = FLAGS_OF[Kind.CANCEL] = Flag.CHECKSUM | Flag.UNSTARTED;

/** The body that each kind may carry at most; CALL, ITEM and END have the connection's limit. */
export const BODY_BYTES_MAX = new Uint32Array(15);
BODY_BYTES_MAX[Kind.CALL] = BODY_BYTES_MAX[Kind.ITEM] = BODY_BYTES_MAX[Kind.END] = 0xffff_ffff;
BODY_BYTES_MAX[Kind.HELLO] = HELLO_BYTES_MAX;
BODY_BYTES_MAX[Kind.READY] = READY_BYTES_MAX;
BODY_BYTES_MAX[Kind.FAULT] = BODY_BYTES_MAX[Kind.EVENT] = REPORT_BYTES_MAX;
BODY_BYTES_MAX[Kind.PING] = BODY_BYTES_MAX[Kind.PONG] = PING_BYTES_MAX;
BODY_BYTES_MAX[Kind.RELEASE] = 8;

/** One frame. `codec` is the header's byte with both nibbles; `body` may be a view that the next read overwrites. */
export class Frame {
  /**
   * @param {number} kind
   * @param {number} [flags]
   * @param {number} [codec]
   * @param {number} [func]
   * @param {Key} [call]
   * @param {number} [amount]
   * @param {Buffer} [meta]
   * @param {Buffer} [body]
   * @param {boolean} [owned] whether meta and body stay as they are
   */
  constructor(
    kind,
    flags = 0,
    codec = 0,
    func = 0,
    call = 0,
    amount = 0,
    meta = NO_BYTES,
    body = NO_BYTES,
    owned = true,
  ) {
    this.kind = kind;
    this.flags = flags;
    this.codec = codec;
    this.function = func;
    this.call = call;
    this.amount = amount;
    this.meta = meta;
    this.body = body;
    this.owned = owned;
    /** The region of shared memory that holds the body. @type {{offset: number, size: number} | null} */
    this.region = null;
    /** The call that it belongs to, as this side keeps it. @type {any} */
    this.about = null;
  }

  /** Keep meta and body past the read that brought them. */
  keep() {
    if (!this.owned) {
      this.meta = this.meta.length ? Buffer.from(this.meta) : NO_BYTES;
      this.body = Buffer.from(this.body);
      this.owned = true;
    }
    return this;
  }
}

/**
 * @param {Uint8Array} data
 * @param {number} at
 */
export function readU32(data, at) {
  return (data[at] | (data[at + 1] << 8) | (data[at + 2] << 16) | (data[at + 3] << 24)) >>> 0;
}

/**
 * @param {Uint8Array} data
 * @param {number} at
 * @param {number} value
 */
export function writeU32(data, at, value) {
  data[at] = value;
  data[at + 1] = value >>> 8;
  data[at + 2] = value >>> 16;
  data[at + 3] = value >>> 24;
}

const TOP = 0x8000_0000;
const SAFE_HIGH = 0x20_0000;
const HALF = 0x1_0000_0000;

/**
 * The key of the call id at a place.
 *
 * @param {Uint8Array} data
 * @param {number} at
 * @returns {Key}
 */
export function readKey(data, at) {
  const low = readU32(data, at);
  const high = readU32(data, at + 4);
  if (high < SAFE_HIGH) return high * HALF + low;
  if (high >= TOP) {
    const own = high - TOP;
    if (own < SAFE_HIGH) return -1 - (own * HALF + low);
    return -1n - ((BigInt(own) << 32n) | BigInt(low));
  }
  return (BigInt(high) << 32n) | BigInt(low);
}

/**
 * @param {Uint8Array} data
 * @param {number} at
 * @param {Key} key
 */
export function writeKey(data, at, key) {
  const top = key < 0 ? TOP : 0;
  if (typeof key === "bigint") {
    const id = top ? -1n - key : key;
    writeU32(data, at, Number(id & 0xffff_ffffn));
    writeU32(data, at + 4, Number(id >> 32n) + top);
    return;
  }
  const id = top ? -1 - key : key;
  writeU32(data, at, id % HALF);
  writeU32(data, at + 4, Math.floor(id / HALF) + top);
}

/** The key of the n-th call that a guest makes. @param {number} n */
export function guestKey(n) {
  return -1 - n;
}

/** The call id in lower-case hex, for people. @param {Key} key */
export function hexOf(key) {
  const id = BigInt(key);
  return (id < 0n ? (1n << 63n) - 1n - id : id).toString(16);
}

/** The key of an id written in hex. @param {string} hex @returns {Key} */
export function keyOf(hex) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(`0x${hex}`));
  return readKey(bytes, 0);
}
