/** One connection of a client to a host: its handshake, its calls, and its end. */

import { connect as connectSocket } from "node:net";
import { connect as connectTls } from "node:tls";
import { Fault } from "../fault.js";
import { Caller } from "../wire/caller.js";
import { Kind } from "../wire/frame.js";
import { Line } from "../wire/line.js";
import { loadFault } from "../wire/report.js";

/** @typedef {import("./address.js").Address} Address */
/** @typedef {import("../wire/frame.js").Frame} Frame */

const LIBRARY = "dragoman/0.1.0";
/** A peer that vanished without a word is noticed by the kernel, after this many ms without any. */
const KEEPALIVE_MS = 30_000;
/** What a host refuses a client for, before it runs anything of it. */
const AT_THE_DOOR = new Set(["UNAUTHENTICATED", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED"]);
/** @type {{code: import("../index.js").Code, started: import("../index.js").Started}} */
const LOST = { code: "UNAVAILABLE", started: "unknown" };

export class Link {
  /**
   * @param {Address} address
   * @param {string} token
   * @param {import("node:tls").ConnectionOptions} tls
   * @param {() => void} ended called when no more calls can be made on it, and again when it is closed
   */
  constructor(address, token, tls, ended) {
    this.token = token;
    this.ended = ended;
    this.open = false;
    /** Whether the host finishes what is in flight, and takes no more. */
    this.draining = false;
    /** Called when its last call is done. */
    this.gone = () => {};
    /** @type {Fault | null} */
    this.refusal = null;
    this.line = new Line("client", null, {
      frames: (frames) => {
        for (const frame of frames) this.line.attempt(() => this.act(frame));
      },
      lost: (error) => this.lost(error),
    });
    this.caller = new Caller(this.line);
    this.caller.idle = () => this.rest();
    /** Resolves once calls can be made. @type {Promise<void>} */
    this.ready = new Promise((resolve, reject) => {
      this.welcome = resolve;
      this.fail = reject;
    });
    this.ready.catch(() => {});
    this.line.use(socketTo(address, tls, this.line));
  }

  get service() {
    return this.line.connection.hello?.service ?? "";
  }

  /** @param {Frame} frame */
  act(frame) {
    const { connection } = this.line;
    if (frame.about) {
      this.caller.take(frame);
      return;
    }
    switch (frame.kind) {
      case Kind.HELLO:
        connection.sayReady({
          token: this.token || undefined,
          language: "node",
          languageVersion: process.versions.node,
          library: LIBRARY,
        });
        this.line.flush();
        this.open = true;
        this.welcome?.();
        break;
      case Kind.PING:
        connection.pong(frame.body);
        this.line.schedule();
        break;
      case Kind.DRAIN:
        this.draining = true;
        this.ended();
        this.rest();
        break;
      case Kind.BYE:
        this.line.lose(new Error("the host has left"));
        break;
      case Kind.FAULT:
        this.refusal = loadFault(frame.body);
        this.line.lose(this.refusal);
    }
  }

  /** The last call is done: a connection that is of no more use is closed. */
  rest() {
    if (this.caller.live.size) return;
    this.gone();
    if (this.draining) this.leave();
  }

  /** Say BYE and close. */
  leave() {
    if (this.line.dead) return;
    this.line.attempt(() => this.line.connection.say("BYE"));
    this.line.flush();
    this.line.lose(new Error("closed"));
  }

  /** @param {Error} error */
  lost(error) {
    const { refusal } = this;
    const detail = refusal?.detail ?? `the connection is lost: ${error.message}`;
    const { code, started } = refusal && AT_THE_DOOR.has(refusal.code) ? refusal : LOST;
    this.open = false;
    this.fail?.(refusal ?? new Fault("UNAVAILABLE", detail, { started: "no", cause: error }));
    this.caller.lose(() => new Fault(code, detail, { started, cause: error }));
    this.ended();
  }
}

/**
 * @param {Address} address
 * @param {import("node:tls").ConnectionOptions} tls
 * @param {Line} line
 * @returns {import("node:net").Socket}
 */
function socketTo(address, tls, line) {
  if (address.path) return connectSocket(/** @type {any} */ ({ path: address.path, onread: line.onread }));
  const { host, port } = address;
  const socket = connectTls({
    ...(/[a-z]/i.test(host) && !host.includes(":") ? { servername: host } : {}),
    ...tls,
    host,
    port,
  });
  socket.setNoDelay(true);
  socket.setKeepAlive(true, KEEPALIVE_MS);
  return socket;
}
