/** CRC-32 as zlib has it: Node's own from 20.15, a table before that. */

import * as zlib from "node:zlib";

const TABLE = new Int32Array(256).map((_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/**
 * @param {Uint8Array} data
 * @param {number} [start] the checksum of what comes before
 */
export function crc32Table(data, start = 0) {
  let value = ~start;
  for (let at = 0; at < data.length; at++) value = (value >>> 8) ^ TABLE[(value ^ data[at]) & 0xff];
  return ~value >>> 0;
}

const own = /** @type {{crc32?: (data: Uint8Array, start?: number) => number}} */ (zlib).crc32;

/** @type {(data: Uint8Array, start?: number) => number} */
export const crc32 = own ?? crc32Table;
