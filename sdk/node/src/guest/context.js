/** What a function may ask about its own call, and tell about it. */

import { inspect } from "node:util";
import { isPlain } from "../values/walk.js";
import { replyCodec } from "../wire/caller.js";
import { formatTrace } from "../wire/meta.js";
import { dumpLog, dumpProgress } from "../wire/report.js";

/** Of reports that follow one another faster, in ms, the last one waits: nobody sees more than a hundred a second. */
const PROGRESS_MS_MIN = 10;
const LEVELS = new Set(["debug", "info", "warning", "error"]);

/** @typedef {import("../index.js").CallOptions} CallOptions */
/** @typedef {import("./job.js").Job} Job */

export class Context {
  #job;
  #progressAt = -Infinity;

  /** @param {Job} job */
  constructor(job) {
    this.#job = job;
  }

  /** Aborted when the caller gives the call up, or its time is up. */
  get signal() {
    return this.#job.signal;
  }

  get cancelled() {
    return this.#job.stopped !== null;
  }

  get callId() {
    return this.#job.callId;
  }

  /** The W3C `traceparent` of this call; empty where it is not traced. */
  get trace() {
    return formatTrace(this.#job.entries.trace);
  }

  get traceState() {
    return this.#job.entries.trace?.state ?? "";
  }

  /** Milliseconds until the deadline, at least 0; Infinity where there is none. */
  get remaining() {
    return Math.max(this.#job.deadline - performance.now(), 0);
  }

  /**
   * @param {string} message
   * @param {Record<string, unknown>} [fields]
   * @param {"debug" | "info" | "warning" | "error"} [level]
   */
  log(message, fields, level = "info") {
    /** @type {Record<string, unknown> | undefined} */
    let said;
    if (fields) {
      said = {};
      for (const [key, value] of Object.entries(fields)) {
        if (value !== undefined)
          said[key] = isPlain(value) ? value : inspect(value, { depth: 4, breakLength: Infinity });
      }
    }
    this.#job.tell(dumpLog(String(message), LEVELS.has(level) ? level : "info", "log", said));
  }

  /** @param {number} share @param {string} [message] */
  progress(share, message = "") {
    const now = performance.now();
    if (now - this.#progressAt < PROGRESS_MS_MIN && share < 1) {
      this.#job.held = [Number(share), String(message)];
      return;
    }
    this.#progressAt = now;
    this.#job.held = null;
    this.#job.tell(dumpProgress(Number(share), String(message)));
  }

  /**
   * Call any function of the project, and wait for its one reply.
   *
   * @param {string} name
   * @param {unknown} [input]
   * @param {CallOptions} [options]
   * @returns {Promise<any>}
   */
  call(name, input, options) {
    return this.#job.caller.call(name, input, this.#wish(options));
  }

  /**
   * Call any function of the project for the items of its stream.
   *
   * @param {string} name
   * @param {unknown} [input]
   * @param {CallOptions} [options]
   * @returns {AsyncIterableIterator<any>}
   */
  stream(name, input, options) {
    return this.#job.caller.stream(name, input, this.#wish(options));
  }

  /** @param {CallOptions} [options] */
  #wish({ timeout = Infinity, signal, reply = "msgpack" } = {}) {
    const job = this.#job;
    return {
      deadline: Math.min(job.deadline, performance.now() + timeout),
      signal,
      reply: replyCodec(reply),
      trace: job.entries.trace,
      callId: job.callId,
      depth: job.entries.depth + 1,
      group: job.nested,
      stopped: job.stopped,
    };
  }
}
