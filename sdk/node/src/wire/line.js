/**
 * A socket with a connection on it: reads are parsed where they lie, and what is said in one turn leaves in one write.
 *
 * Where the descriptor is known, a batch is written by one system call from a buffer that is used again; the stream of
 * the socket takes over only while the kernel has no room.
 */

import { writeSync } from "node:fs";
import { Batch } from "./batch.js";
import { Connection } from "./connection.js";
import { IllegalFrame, ProtocolFault } from "./protocol-fault.js";
import { Fault } from "../fault.js";

/** Larger reads cost more for their buffer than they save, save inside a large frame. */
const READ_BYTES = 64 * 1024;
/** Collected frames leave when they are this many bytes, also in the middle of a turn. */
const SEND_BYTES = 64 * 1024;
/** How long, in ms, an answer may wait for those of the calls behind it. */
const WAIT_MS = 0.2;

/** @typedef {import("./frame.js").Frame} Frame */
/** @typedef {{frames(frames: Frame[]): void, lost(error: Error): void}} Listener */

export class Line {
  /**
   * @param {import("./state.js").Role} role
   * @param {import("./connection.js").Arenas | null} arenas
   * @param {Listener} listener
   */
  constructor(role, arenas, listener) {
    this.out = new Batch();
    this.connection = new Connection(role, this.out, arenas);
    this.listener = listener;
    /** @type {import("node:net").Socket} */
    this.socket = /** @type {any} */ (null);
    this.fd = -1;
    this.since = 0;
    this.gaveAt = 0;
    this.scheduled = false;
    this.dead = false;
    this.buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    this.direct = false;
    this._flush = () => {
      this.scheduled = false;
      this.flush();
    };
  }

  /** What a socket is made with, so that it reads into this line's buffers. */
  get onread() {
    return {
      buffer: () => {
        const target = this.connection.decoder.target();
        if (target) {
          this.direct = true;
          return target;
        }
        if (!this.direct && this.reading) return /** @type {any} */ (undefined);
        this.direct = false;
        this.reading = true;
        return this.buffer;
      },
      /** @param {number} size @param {Buffer} buffer */
      callback: (size, buffer) => {
        this._take(size, buffer);
        return true;
      },
    };
  }

  /**
   * Use a socket, which was made with `onread` or not.
   *
   * @param {import("node:net").Socket} socket
   * @param {number} [fd]
   */
  use(socket, fd = -1) {
    this.socket = socket;
    this.fd = fd;
    socket.on("data", (data) => this._take(data.length, /** @type {Buffer} */ (data)));
    socket.on("error", (error) => this.lose(error));
    socket.on("end", () => this.lose(new Error("the peer closed the connection")));
    socket.on("close", () => this.lose(new Error("the connection is closed")));
  }

  /** @param {number} size @param {Buffer} buffer */
  _take(size, buffer) {
    if (this.dead) return;
    const { connection, listener } = this;
    try {
      const frames = this.direct ? connection.filled(size) : connection.receive(buffer.subarray(0, size));
      if (frames.length) listener.frames(frames);
    } catch (error) {
      if (!(error instanceof ProtocolFault)) throw error;
      if (error.frames.length) listener.frames(error.frames);
      this.refuse(error);
      return;
    }
    if (this.out.size && !this.scheduled) this.schedule();
  }

  /** Tell the peer which rule it broke, and end. @param {ProtocolFault} error */
  refuse(error) {
    try {
      this.connection.fail(
        new Fault(error.code, error.message, { started: error.code === "INTERNAL" ? "unknown" : "no" }),
      );
      this.flush();
    } catch (illegal) {
      if (!(illegal instanceof IllegalFrame)) throw illegal;
    }
    this.lose(error);
  }

  /** Send by the end of this turn. */
  schedule() {
    if (this.scheduled) return;
    this.scheduled = true;
    this.since = performance.now();
    process.nextTick(this._flush);
  }

  /** Send by the end of this turn, or at once where much has been said, or said long ago. @param {number} now in ms */
  said(now) {
    if (!this.scheduled) this.schedule();
    else if (this.out.size > SEND_BYTES || now - this.since > WAIT_MS) {
      this.since = now;
      this.flush();
    }
  }

  /** Send an item: at once, unless one has left just now, for the next may be long in coming. @param {number} now in ms */
  gave(now) {
    if (now - this.gaveAt > WAIT_MS) {
      this.gaveAt = now;
      this.flush();
    } else this.said(now);
  }

  /** Say something, unless what came in the same read has closed the connection. @param {() => void} say */
  attempt(say) {
    try {
      say();
    } catch (error) {
      if (!(error instanceof IllegalFrame)) throw error;
    }
  }

  /** Bytes that the kernel has not taken yet. */
  get waiting() {
    return this.socket.writableLength + this.out.size;
  }

  flush() {
    const { out, socket } = this;
    if (!out.size || this.dead) return;
    if (this.fd >= 0 && !out.parts.length && !socket.writableLength) {
      let written = 0;
      try {
        written = writeSync(this.fd, out.chunk, 0, out.used);
      } catch (error) {
        if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EAGAIN") {
          this.lose(/** @type {Error} */ (error));
          return;
        }
      }
      out.drop(written);
      if (!out.used) return;
    }
    socket.cork();
    for (const part of out.take()) socket.write(part);
    socket.uncork();
  }

  /** The connection is over; told once. @param {Error} error */
  lose(error) {
    if (this.dead) return;
    this.dead = true;
    this.socket.destroySoon();
    this.listener.lost(error);
  }
}
