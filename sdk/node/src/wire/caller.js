/** Calls that this side makes: how they go out, and how their frames become values, items and faults. */

import { Fault } from "../fault.js";
import { decodeBody, encodeBody } from "../values/body.js";
import { Malformed } from "../values/json.js";
import { Unsayable, isPlain } from "../values/walk.js";
import { AMOUNT_MAX, Codec, Kind, guestKey } from "./frame.js";
import { encodeMeta } from "./meta.js";
import { IllegalFrame, Oversized } from "./protocol-fault.js";
import { loadFault } from "./report.js";

/** @typedef {import("./line.js").Line} Line */
/** @typedef {import("./frame.js").Frame} Frame */
/** @typedef {import("./calls.js").Made} Made */
/** @typedef {import("./meta.js").Trace} Trace */
/**
 * What a call is made with. `deadline` is in ms on the clock of `performance.now()`, Infinity for none.
 *
 * @typedef {object} Wish
 * @property {number} deadline
 * @property {AbortSignal} [signal]
 * @property {number} reply the codec wanted
 * @property {Trace | null} trace
 * @property {string} callId
 * @property {number} depth
 * @property {Set<{give(fault: Fault): void}>} [group] the calls that end together with whoever makes this one
 * @property {Fault | null} [stopped] why whoever makes it should have stopped already
 */

/** How long past its deadline, in ms, a call waits for the host's own word on it, which says whether it had started. */
const GRACE_MS = 100;

/** Makes calls on one line. */
export class Caller {
  /** @param {Line} line */
  constructor(line) {
    this.line = line;
    this.count = 0;
    /** @type {Set<Outgoing>} */
    this.live = new Set();
    /** Called when the last call under way has ended. */
    this.idle = () => {};
  }

  /**
   * Make a call that wants one reply.
   *
   * @param {string} name
   * @param {unknown} input
   * @param {Wish} wish
   * @returns {Promise<any>}
   */
  call(name, input, wish) {
    return new Promise((resolve, reject) => {
      const call = new Outgoing(this, name, wish, false);
      call.resolve = resolve;
      call.reject = reject;
      call.begin(input);
    });
  }

  /**
   * Make a call whose reply is a stream.
   *
   * @param {string} name
   * @param {unknown} input
   * @param {Wish} wish
   * @returns {AsyncIterableIterator<any>}
   */
  stream(name, input, wish) {
    const call = new Outgoing(this, name, wish, true);
    call.begin(input);
    return call;
  }

  /** Take a frame of a reply, or the credit of an input. @param {Frame} frame */
  take(frame) {
    /** @type {Outgoing} */
    const call = frame.about.owner;
    if (frame.kind === Kind.CREDIT) call.wake();
    else call.take(frame);
  }

  /** Every call that is under way has failed. @param {() => Fault} fault */
  lose(fault) {
    for (const call of [...this.live]) call.fail(fault());
  }
}

/** One call that is under way; the iterator of its items, if it streams. @implements {AsyncIterableIterator<any>} */
class Outgoing {
  /**
   * @param {Caller} caller
   * @param {string} name
   * @param {Wish} wish
   * @param {boolean} streams
   */
  constructor(caller, name, wish, streams) {
    this.caller = caller;
    this.line = caller.line;
    this.name = name;
    this.wish = wish;
    this.streams = streams;
    /** @type {(value: any) => void} */
    this.resolve = () => {};
    /** @type {(fault: unknown) => void} */
    this.reject = () => {};
    /** @type {Made | null} */
    this.made = null;
    this.ended = false;
    /** @type {unknown} */
    this.fault = null;
    /** @type {{value: any, bytes: number}[]} */
    this.items = [];
    /** @type {{resolve: (step: IteratorResult<any>) => void, reject: (fault: unknown) => void}[]} */
    this.waiters = [];
    /** @type {NodeJS.Timeout | undefined} */
    this.timer = undefined;
    /** @type {(() => void) | null} */
    this.onAbort = null;
    /** @type {(() => void) | null} */
    this.woken = null;
  }

  /** @param {unknown} input */
  begin(input) {
    const { line, wish, name } = this;
    try {
      if (wish.stopped) throw wish.stopped;
      if (wish.signal?.aborted) throw aborted(wish.signal, "no");
      const left = wish.deadline - performance.now();
      if (left <= 0) throw new Fault("DEADLINE_EXCEEDED", `no time is left to call ${name}`, { started: "no" });
      const { codec, body, source } = this._body(input);
      const meta = encodeMeta({ function: name, trace: wish.trace, callId: wish.callId, depth: wish.depth });
      const amount = left === Infinity ? 0 : Math.max(1, Math.min(Math.ceil(left), AMOUNT_MAX));
      this.made = line.connection.call(guestKey(this.caller.count), {
        codec: codec | (wish.reply << 4),
        body,
        amount,
        meta,
        stream: this.streams,
        input: source !== null,
      });
      this.caller.count++;
      this.made.owner = this;
      this.caller.live.add(this);
      wish.group?.add(this);
      this._watch(left);
      line.schedule();
      if (source) void this._send(source.key, source.values);
    } catch (error) {
      this.fail(faultOf(error, name));
    }
  }

  /** @param {number} left */
  _watch(left) {
    const { signal } = this.wish;
    if (signal) {
      this.onAbort = () => this.give(aborted(signal, "unknown"));
      signal.addEventListener("abort", this.onAbort, { once: true });
    }
    if (left < 2 ** 31 - GRACE_MS - 1) {
      this.timer = setTimeout(() => {
        this.give(new Fault("DEADLINE_EXCEEDED", `${this.name} did not answer in time`, { started: "unknown" }));
      }, left + GRACE_MS);
    }
  }

  /**
   * The body of the CALL, without the property that streams, if one does.
   *
   * @param {any} input
   */
  _body(input) {
    const source = sourceOf(input);
    let said = input === undefined ? {} : input;
    if (source) {
      if (!this.line.connection.hello?.features.includes("input")) {
        throw new Fault("UNIMPLEMENTED", `the host takes no input streams: give ${source.key} as an array`, {
          started: "no",
        });
      }
      said = { ...input };
      delete said[source.key];
    }
    if (said instanceof Uint8Array) return { codec: Codec.BYTES, body: Buffer.from(said), source };
    const { codec, body } = encodeBody(said, isPlain(said) ? Codec.JSON : Codec.MSGPACK);
    return { codec, body, source };
  }

  /** Send the items of an input. @param {string} key @param {AsyncIterable<unknown> | Iterable<unknown>} values */
  async _send(key, values) {
    const made = /** @type {Made} */ (this.made);
    const input = /** @type {import("./calls.js").Sending} */ (made.input);
    let at = 0;
    try {
      for await (const value of values) {
        while (!this.ended && !input.closed && input.credit <= 0) await this._credit();
        if (this.ended || input.closed) return;
        const { codec, body } = encodeBody(value, isPlain(value) ? Codec.JSON : Codec.MSGPACK);
        this.line.connection.item(made.key, input, codec, body);
        this.line.gave(performance.now());
        at++;
      }
      if (this.ended || input.closed) return;
      this.line.connection.endInput(made);
      this.line.schedule();
    } catch (error) {
      const fault = faultOf(error, this.name);
      if (error instanceof Unsayable) {
        this.give(
          new Fault("INVALID_ARGUMENT", fault.detail, {
            started: "unknown",
            errors: [{ path: `/${key}/${at}${error.path}`, message: error.message }],
          }),
        );
      } else this.give(error instanceof IllegalFrame ? fault : error);
    }
  }

  /** @returns {Promise<void>} */
  _credit() {
    return new Promise((resolve) => (this.woken = resolve));
  }

  wake() {
    const { woken } = this;
    this.woken = null;
    woken?.();
  }

  /** @param {Frame} frame */
  take(frame) {
    if (frame.kind === Kind.ITEM) return this._item(frame);
    if (this.ended) {
      if (frame.region) this.line.connection.bodyOf(frame);
      return;
    }
    if (frame.kind === Kind.FAULT) {
      const fault = loadFault(frame.body);
      fault.function = this.name;
      return this.fail(fault);
    }
    try {
      // A function that gives one reply is a stream of one; the end of a stream is empty, under whatever codec.
      if (!this.streams || frame.body.length) {
        const value = decodeBody(this.line.connection.bodyOf(frame), frame.codec & 15, frame.owned);
        if (this.streams) this._deliver({ value, bytes: -1 });
        else this.resolve(value ?? null);
      }
      this._close();
    } catch (error) {
      this.fail(unreadable(error, this.name));
    }
  }

  /** @param {Frame} frame */
  _item(frame) {
    const bytes = frame.body.length + (frame.region ? frame.region.size : 0);
    const body = this.line.connection.bodyOf(frame);
    if (this.ended) return;
    try {
      this._deliver({ value: decodeBody(body, frame.codec & 15, frame.owned), bytes });
    } catch (error) {
      this.give(unreadable(error, this.name));
    }
  }

  /** @param {{value: any, bytes: number}} item */
  _deliver(item) {
    const waiter = this.waiters.shift();
    if (!waiter) {
      this.items.push(item);
      return;
    }
    this._used(item.bytes);
    waiter.resolve({ value: item.value, done: false });
  }

  /** Grant what has been used up. @param {number} bytes */
  _used(bytes) {
    const { made, line } = this;
    if (bytes < 0 || !made?.reading || this.ended) return;
    const due = made.reading.consume(bytes);
    const { reading } = made;
    if (due && !line.dead) {
      line.attempt(() => line.connection.credit(made.key, reading, due));
      line.schedule();
    }
  }

  /** The call is over for this side; tell the other. @param {unknown} fault */
  give(fault) {
    if (this.ended) return;
    const { line, made } = this;
    if (made && !line.dead && !made.cancelling) {
      try {
        line.connection.cancel(made);
        line.schedule();
      } catch (error) {
        if (!(error instanceof IllegalFrame)) throw error;
      }
    }
    this.fail(fault);
  }

  /** @param {unknown} fault */
  fail(fault) {
    if (this.ended) return;
    this.fault = fault;
    this.reject(fault);
    this._close();
  }

  _close() {
    this.ended = true;
    this.caller.live.delete(this);
    this.wish.group?.delete(this);
    if (!this.caller.live.size) this.caller.idle();
    clearTimeout(this.timer);
    if (this.onAbort) this.wish.signal?.removeEventListener("abort", this.onAbort);
    this.wake();
    for (const waiter of this.waiters.splice(0)) {
      if (this.fault === null) waiter.resolve({ value: undefined, done: true });
      else {
        waiter.reject(this.fault);
        this.fault = null;
      }
    }
  }

  // The iterator of a stream

  [Symbol.asyncIterator]() {
    return this;
  }

  /** @returns {Promise<IteratorResult<any>>} */
  next() {
    const item = this.items.shift();
    if (item) {
      this._used(item.bytes);
      return Promise.resolve({ value: item.value, done: false });
    }
    if (this.fault !== null) {
      const { fault } = this;
      this.fault = null;
      return Promise.reject(fault);
    }
    if (this.ended) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => this.waiters.push({ resolve, reject }));
  }

  /** @returns {Promise<IteratorResult<any>>} */
  return() {
    this.items = [];
    this.give(new Fault("CANCELLED", "the stream is no longer read", { started: "unknown" }));
    this.fault = null;
    return Promise.resolve({ value: undefined, done: true });
  }

  /** @param {unknown} error @returns {Promise<IteratorResult<any>>} */
  throw(error) {
    void this.return();
    return Promise.reject(error);
  }
}

/**
 * The property of an input whose values come one by one, if there is one.
 *
 * @param {any} input
 * @returns {{key: string, values: AsyncIterable<unknown> | Iterable<unknown>} | null}
 */
function sourceOf(input) {
  if (typeof input !== "object" || input === null || Array.isArray(input) || ArrayBuffer.isView(input)) return null;
  let found = null;
  for (const key of Object.keys(input)) {
    if (!isSource(input[key])) continue;
    if (found) throw new TypeError(`${found.key} and ${key} are both streams: a call has one`);
    found = { key, values: input[key] };
  }
  return found;
}

/** Whether a value gives its items one by one: an async iterable, or a plain iterator. @param {any} value */
export function isSource(value) {
  if (typeof value !== "object" || value === null) return false;
  if (Symbol.asyncIterator in value) return true;
  return typeof value.next === "function" && Symbol.iterator in value;
}

/** @param {AbortSignal} signal @param {"no" | "unknown"} started */
function aborted(signal, started) {
  const { reason } = signal;
  if (reason instanceof Fault) return reason;
  if (reason?.name === "TimeoutError")
    return new Fault("DEADLINE_EXCEEDED", "the caller's time is up", { started, cause: reason });
  return new Fault("CANCELLED", "the caller gave the call up", { started, cause: reason });
}

/** What keeps a call from going out. @param {unknown} error @param {string} name @returns {Fault} */
function faultOf(error, name) {
  if (error instanceof Fault) return error;
  if (error instanceof Unsayable) {
    const detail = `the input of ${name} cannot be sent: ${error.message}${error.path && ` at ${error.path}`}`;
    const errors = [{ path: error.path, message: error.message }];
    return new Fault("INVALID_ARGUMENT", detail, { started: "no", errors });
  }
  if (error instanceof Oversized) {
    return new Fault("RESOURCE_EXHAUSTED", `the input of ${name} is too large: ${error.message}`, { started: "no" });
  }
  if (error instanceof IllegalFrame) return new Fault("UNAVAILABLE", error.message, { started: "no" });
  const message = error instanceof Error ? error.message : String(error);
  return new Fault("INVALID_ARGUMENT", message, { started: "no", cause: error });
}

/** @param {unknown} error @param {string} name */
function unreadable(error, name) {
  if (!(error instanceof Malformed)) return error;
  return new Fault("INTERNAL", `the reply of ${name} cannot be read: ${error.message}`, {
    started: "yes",
    cause: error,
  });
}

const REPLIES = { msgpack: Codec.MSGPACK, json: Codec.JSON, bytes: Codec.BYTES, arrow: Codec.ARROW };

/** The codec of a reply, by its name. @param {keyof typeof REPLIES} reply */
export function replyCodec(reply) {
  const codec = REPLIES[reply];
  if (codec === undefined)
    throw Fault.invalidArgument(`no reply comes as ${String(reply)}: ${Object.keys(REPLIES).join(", ")}`);
  return codec;
}
