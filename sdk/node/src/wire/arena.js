/** Shared memory for large bodies (SPEC §7.1): regions of one arena that are lent, and regions of the other that are borrowed. */

import { closeSync, fstatSync, readSync, writeSync } from "node:fs";
import { ProtocolFault } from "./protocol-fault.js";

const ALIGNMENT = 64;
/** Regions lent at once: each is a large body, and the table must stay small to be searched in order. */
const REGIONS_MAX = 4096;

/** @param {number} size */
const aligned = (size) => Math.ceil(size / ALIGNMENT) * ALIGNMENT;

/** The peer's arena: what it has lent to this side. */
export class Borrowed {
  /** @param {number} size @param {number} [fd] */
  constructor(size, fd = -1) {
    this.size = size;
    this.fd = fd;
    /** @type {Map<number, number>} */
    this.regions = new Map();
  }

  /**
   * Take a region as the peer's frame names it.
   *
   * @param {Buffer} body
   * @param {number} bytesMax
   */
  take(body, bytesMax) {
    const offset = Number(body.readBigUInt64LE(0));
    const size = Number(body.readBigUInt64LE(8));
    if (offset % ALIGNMENT || size < 1 || size > bytesMax || offset + size > this.size) {
      throw new ProtocolFault("segment", `a region of ${size} bytes at ${offset} of an arena of ${this.size}`);
    }
    for (const [other, bytes] of this.regions) {
      if (offset < other + bytes && other < offset + size) {
        throw new ProtocolFault("segment", `the region at ${offset} overlaps the one at ${other}`);
      }
    }
    this.regions.set(offset, size);
    return { offset, size };
  }

  /** A copy of a region. @param {{offset: number, size: number}} region */
  read({ offset, size }) {
    const body = Buffer.allocUnsafeSlow(size);
    let at = 0;
    while (at < size) {
      const count = readSync(this.fd, body, at, size - at, offset + at);
      if (!count) throw new ProtocolFault("segment", "the arena is shorter than it was");
      at += count;
    }
    return body;
  }

  /** @param {number} offset */
  giveBack(offset) {
    return this.regions.delete(offset);
  }
}

/** This side's arena: what it has lent to the peer. First fit, in the order of offsets. */
export class Lent {
  /** @param {number} size @param {number} [fd] */
  constructor(size, fd = -1) {
    this.size = size;
    this.fd = fd;
    /** @type {{offset: number, size: number}[]} */
    this.regions = [];
  }

  /** Lend room for a body; -1 where there is none. @param {number} size */
  lend(size) {
    const need = aligned(size);
    if (this.regions.length >= REGIONS_MAX) return -1;
    let offset = 0;
    let place = 0;
    for (const region of this.regions) {
      if (region.offset - offset >= need) break;
      offset = region.offset + aligned(region.size);
      place++;
    }
    if (offset + size > this.size) return -1;
    this.regions.splice(place, 0, { offset, size });
    return offset;
  }

  /**
   * Put a body into the arena; its 16 bytes for the frame, or null where it has no room.
   *
   * @param {Buffer} body
   */
  put(body) {
    const offset = this.lend(body.length);
    if (offset < 0) return null;
    let at = 0;
    try {
      while (at < body.length) at += writeSync(this.fd, body, at, body.length - at, offset + at);
    } catch {
      this.returned(offset);
      return null;
    }
    const named = Buffer.alloc(16);
    named.writeBigUInt64LE(BigInt(offset), 0);
    named.writeBigUInt64LE(BigInt(body.length), 8);
    return named;
  }

  /** The peer gives a region back; false where none was lent. @param {number} offset */
  returned(offset) {
    const place = this.regions.findIndex((region) => region.offset === offset);
    if (place < 0) return false;
    this.regions.splice(place, 1);
    return true;
  }
}

/**
 * The two arenas that a guest got, or null where it did not get both.
 *
 * @param {string | undefined} inFd
 * @param {string | undefined} outFd
 * @returns {{in: Borrowed, out: Lent} | null}
 */
export function adoptArenas(inFd, outFd) {
  if (!/^\d+$/.test(inFd ?? "") || !/^\d+$/.test(outFd ?? "")) return null;
  const [from, to] = [Number(inFd), Number(outFd)];
  try {
    return { in: new Borrowed(fstatSync(from).size, from), out: new Lent(fstatSync(to).size, to) };
  } catch {
    for (const fd of [from, to]) {
      try {
        closeSync(fd);
      } catch {
        // It was not open: there is nothing to close.
      }
    }
    return null;
  }
}
