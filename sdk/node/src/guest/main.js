#!/usr/bin/env node
/** What runs inside a worker: the handshake on the host's socket, the user's module, and calls until DRAIN. */

import * as modules from "node:module";
import { connect, Socket } from "node:net";
import { Fault } from "../fault.js";
import { adoptArenas } from "../wire/arena.js";
import { Kind } from "../wire/frame.js";
import { Line } from "../wire/line.js";
import { IllegalFrame } from "../wire/protocol-fault.js";
import { BadContract } from "./contract.js";
import { describe, stackOf } from "./failure.js";
import { load } from "./loader.js";
import { Server } from "./server.js";

/** EX_IOERR: the wire is gone or broken. */
const EXIT_WIRE = 74;
const LIBRARY = "dragoman/0.1.0";
/** A host that reads does so within this many ms. */
const LINGER_MS = 1000;

/** Take a variable out of the environment that user code sees. @param {string} name */
function taken(name) {
  const value = process.env[name];
  delete process.env[name];
  return value;
}

const env = {
  fd: taken("DRAGOMAN_WIRE_FD"),
  path: taken("DRAGOMAN_WIRE_PATH"),
  token: taken("DRAGOMAN_WIRE_TOKEN"),
  page: taken("DRAGOMAN_PROGRESS_FD"),
  arenaIn: taken("DRAGOMAN_SEGMENT_IN_FD"),
  arenaOut: taken("DRAGOMAN_SEGMENT_OUT_FD"),
  source: taken("DRAGOMAN_SOURCE") ?? process.argv[2] ?? "",
  built: taken("DRAGOMAN_BUILD") ?? "",
};
taken("DRAGOMAN_SOURCE_NAME");

// Where each call has a process of its own, compiled code is kept for the next one: Node 22.1 and newer can.
const compiled = taken("DRAGOMAN_COMPILED");
if (compiled) /** @type {any} */ (modules).enableCompileCache?.(compiled);

const page = /^\d+$/.test(env.page ?? "") ? Number(env.page) : -1;
const arenas = adoptArenas(env.arenaIn, env.arenaOut);

/** @type {Server | null} */
let server = null;

const line = new Line("guest", arenas, {
  frames(frames) {
    if (server) return server.frames(frames);
    for (const frame of frames) {
      if (frame.kind === Kind.HELLO) void start();
      else if (frame.kind === Kind.FAULT) process.exit(0);
    }
  },
  lost(error) {
    const code = line.connection.phase === "left" || line.connection.phase === "closed" ? 0 : exitCode(error);
    if (!line.socket.writableLength) process.exit(code);
    // What was said last, such as which rule the host broke, may still wait for it to read.
    line.socket.once("close", () => process.exit(code));
    setTimeout(() => process.exit(code), LINGER_MS);
  },
});

/** @param {Error} error */
function exitCode(error) {
  return error.message.startsWith("the peer closed") ? 0 : EXIT_WIRE;
}

/**
 * Whoever prints faster than the host reads has to wait, as in any other language: Node would keep all of it in memory,
 * and lose it at the end.
 */
function printInStep() {
  for (const stream of /** @type {any[]} */ ([process.stdout, process.stderr])) stream._handle?.setBlocking?.(true);
}

/** Answer HELLO: READY, or why not. */
async function start() {
  /** @type {import("./contract.js").Binding[]} */
  let bindings;
  printInStep();
  try {
    bindings = await load(env.source, env.built);
    const features = ["revoke", ...(page >= 0 ? ["progress"] : []), ...(arenas ? ["segments"] : [])];
    line.connection.sayReady({
      token: env.fd === undefined ? env.token : undefined,
      language: "node",
      languageVersion: process.versions.node,
      library: LIBRARY,
      features,
      functions: bindings.map((binding) => binding.contract),
    });
  } catch (error) {
    refuse(error);
    return;
  }
  server = new Server(line, bindings, page, leave);
  process.on("uncaughtException", (error) => server?.stray(error));
  process.on("unhandledRejection", (error) => server?.stray(error));
  line.flush();
}

/** The module cannot be served. @param {unknown} error */
function refuse(error) {
  const ours = error instanceof BadContract || error instanceof IllegalFrame;
  const detail = ours ? error.message : describe(error);
  const fault = new Fault("UNAVAILABLE", detail, { started: "no", traceback: ours ? "" : stackOf(error) });
  try {
    line.connection.fail(fault);
    line.flush();
  } catch (illegal) {
    if (!(illegal instanceof IllegalFrame)) throw illegal;
  }
  leaveWith(1);
}

/** Everything is answered. */
function leave() {
  if (line.connection.phase === "left") return;
  line.connection.say("BYE");
  line.flush();
  leaveWith(0);
}

/** End once the kernel has what was said. @param {number} code */
function leaveWith(code) {
  if (!line.socket.writableLength) process.exit(code);
  line.socket.end(() => process.exit(code));
}

if (env.fd !== undefined) {
  const fd = Number(env.fd);
  if (!/^\d+$/.test(env.fd)) throw new Error(`DRAGOMAN_WIRE_FD is ${JSON.stringify(env.fd)}, which is no descriptor`);
  const options = { fd, readable: true, writable: true, onread: line.onread };
  line.use(new Socket(/** @type {any} */ (options)), fd);
} else if (env.path) {
  line.use(connect({ path: env.path, onread: /** @type {any} */ (line.onread) }));
} else {
  process.stderr.write("this program is a worker of Dragoman: `dragoman serve` starts it\n");
  process.exit(2);
}
