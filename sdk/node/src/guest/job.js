/** One call that this worker has taken: its input, its time, how it is stopped, and how it is answered. */

import { Fault } from "../fault.js";
import { decodeBody, encodeBody } from "../values/body.js";
import { Codec, Flag, Kind, NO_BYTES, hexOf } from "../wire/frame.js";
import { decodeMeta } from "../wire/meta.js";
import { dumpProgress } from "../wire/report.js";
import { Context } from "./context.js";
import { describe, faultOf, unread, unsent } from "./failure.js";
import { InputStream, streamed } from "./input-stream.js";

/** @typedef {import("./server.js").Server} Server */
/** @typedef {import("../wire/frame.js").Frame} Frame */
/** @typedef {import("../wire/calls.js").Taken} Taken */
/** @typedef {import("./contract.js").Binding} Binding */

/** Log that waits for the kernel is dropped past this: a host that does not read must not fill this worker. */
const LOG_BYTES_MAX = 4 * 1024 * 1024;
/** How long, in ms, a stream of a synchronous generator may keep the loop from reading. */
const TURN_MS = 5;

export class Job {
  /** @param {Server} server @param {Frame} frame @param {number} arrivedAt */
  constructor(server, frame, arrivedAt) {
    this.server = server;
    this.caller = server.caller;
    this.frame = frame;
    /** @type {Taken} */
    this.taken = frame.about;
    this.taken.owner = this;
    this.deadline = frame.amount ? arrivedAt + frame.amount : Infinity;
    this.began = 0;
    this.begun = false;
    this.done = false;
    /** Why it should stop, once it should. @type {Fault | null} */
    this.stopped = null;
    /** @type {Binding} */
    this.binding = /** @type {any} */ (server.bindings[frame.function]);
    /** @type {AbortController | null} */
    this.controller = null;
    /** Calls that it has made and waits for. @type {Set<{give(fault: Fault): void}>} */
    this.nested = new Set();
    /** @type {InputStream | null} */
    this.input = null;
    /** @type {(() => void) | null} */
    this.woken = null;
    /** @type {import("../wire/meta.js").Entries | null} */
    this._entries = null;
    /** The last report of progress, where it came too soon after the one before. @type {[number, string] | null} */
    this.held = null;
    this.reply = 0;
  }

  get entries() {
    return (this._entries ??= decodeMeta(this.frame.meta));
  }

  get callId() {
    const { callId } = this.entries;
    return callId || this.server.prefix + hexOf(this.frame.call).padStart(8, "0");
  }

  get signal() {
    if (!this.controller) {
      this.controller = new AbortController();
      if (this.stopped) this.controller.abort(this.stopped);
    }
    return this.controller.signal;
  }

  /** Run the function. Whatever happens, the call is answered once, now or later. @param {number} now */
  begin(now) {
    this.began = now;
    this.begun = true;
    const { binding, server } = this;
    let value;
    try {
      this.refuse(now);
      value = this.decode();
    } catch (error) {
      this.fail(unread(error, binding ? binding.name : "?"));
      return;
    }
    server.mark(this.frame.call);
    try {
      const ctx = new Context(this);
      const checked = binding.validate ? binding.validate(value) : value;
      value = isThenable(checked) ? checked.then((input) => binding.invoke(input, ctx)) : binding.invoke(checked, ctx);
    } catch (error) {
      this.crash(error);
      return;
    }
    if (binding.streaming) {
      server.runs(this);
      void this.stream(value);
    } else if (isThenable(value)) {
      server.runs(this);
      value.then(
        (result) => this.finish(result),
        (error) => this.crash(error),
      );
    } else this.finish(value);
  }

  /** Refuse what the function, or this guest, does not do, or nobody waits for. @param {number} now */
  refuse(now) {
    const { frame, binding } = this;
    if (!binding) {
      throw new Fault("NOT_FOUND", `this worker has no function number ${frame.function}`, { started: "no" });
    }
    const { name } = binding;
    const codec = frame.codec & 15;
    this.reply = frame.codec >> 4 || (codec === Codec.BYTES && !binding.rawOutput ? 0 : codec) || Codec.JSON;
    const raw = codec === Codec.BYTES || codec === Codec.ARROW;
    if (raw && !binding.rawInput) throw unimplemented(`${name} takes JSON and MessagePack, no raw bytes`);
    if (this.reply === Codec.ARROW && !binding.rawOutput) throw unimplemented(`${name} does not reply in Arrow`);
    if (binding.streaming && !(frame.flags & Flag.STREAM)) throw unimplemented(`${name} streams: call it for a stream`);
    if (frame.flags & Flag.INPUT && !binding.inputStream) throw unimplemented(`${name} takes no input stream`);
    if (this.deadline <= now) {
      throw new Fault("DEADLINE_EXCEEDED", `the deadline passed before ${name} began`, { started: "no" });
    }
  }

  /** @returns {any} */
  decode() {
    const { frame, binding, server } = this;
    const codec = frame.codec & 15;
    const body = server.line.connection.bodyOf(frame);
    const raw = codec === Codec.BYTES || codec === Codec.ARROW;
    let value = raw
      ? { [binding.rawInput]: decodeBody(body, codec, frame.owned) }
      : decodeBody(body, codec, frame.owned);
    frame.body = NO_BYTES;
    if (value === undefined) value = {};
    if (binding.read && !raw) value = binding.read(value, "");
    if (binding.inputStream) this.attach(value);
    return value;
  }

  /** Give the function its input's stream, be it one or an array. @param {any} value */
  attach(value) {
    const { binding, frame } = this;
    const property = binding.inputStream;
    if (typeof value !== "object" || value === null) return;
    if (!(frame.flags & Flag.INPUT)) {
      if (Array.isArray(value[property])) value[property] = streamed(value[property]);
      return;
    }
    if (Object.hasOwn(value, property)) {
      throw new Fault("INVALID_ARGUMENT", `${property} comes as a stream, and is in the body all the same`, {
        started: "no",
        errors: [{ path: `/${property}`, message: "comes as a stream, and is in the body all the same" }],
      });
    }
    value[property] = this.inputStream();
  }

  /** What collects the items of the input, from the moment that the first may come. */
  inputStream() {
    this.input ??= new InputStream(this.binding.inputStream, this.binding.readItem, (bytes) => this.used(bytes));
    return this.input;
  }

  /** Grant what has been used up of the input. @param {number} bytes */
  used(bytes) {
    const { taken, server } = this;
    const reading = taken.input;
    if (!reading || reading.closed || this.done) return;
    const due = reading.consume(bytes);
    if (due) {
      server.line.attempt(() => server.line.connection.credit(taken.key, reading, due));
      server.line.schedule();
    }
  }

  /** A frame of the input. @param {Frame} frame */
  take(frame) {
    const { line } = this.server;
    const bytes = frame.body.length + (frame.region ? frame.region.size : 0);
    const body = line.connection.bodyOf(frame);
    if (!this.binding?.inputStream) return;
    const input = this.inputStream();
    if (frame.kind === Kind.END) input.end();
    else input.take(frame, body, bytes);
  }

  /** Stop, for a reason: the caller gave the call up, or its time is up. @param {Fault} fault */
  stop(fault) {
    if (this.stopped || this.done) return;
    this.stopped = fault;
    this.input?.end(fault);
    for (const each of [...this.nested]) each.give(fault);
    this.wake();
    this.controller?.abort(fault);
  }

  /** @param {unknown} value */
  finish(value) {
    if (this.done) return;
    const { binding } = this;
    if (isIterator(value)) {
      this.fail(
        new Fault("UNKNOWN", `${binding.name} returned a stream: say \`${binding.name}.streaming = true\``, {
          started: "yes",
        }),
      );
      void (/** @type {any} */ (value).return?.());
      return;
    }
    const now = performance.now();
    this.tellHeld();
    try {
      const { codec, body } = encodeBody(value, this.reply);
      this.server.line.connection.end(this.taken, codec, body, (now - this.began) * 1000);
    } catch (error) {
      this.fail(unsent(error, binding.name));
      return;
    }
    this.close(now);
  }

  /** @param {any} items */
  async stream(items) {
    const { binding } = this;
    /** @type {any} */
    let iterator = null;
    try {
      if (isThenable(items)) items = await items;
      const open = items?.[Symbol.asyncIterator] ?? items?.[Symbol.iterator];
      if (typeof open !== "function")
        throw new TypeError(`${binding.name} streams, and returned nothing to iterate over`);
      iterator = open.call(items);
      await this.pour(iterator);
    } catch (error) {
      if (error instanceof Sent) this.fail(unsent(error.cause, binding.name));
      else this.crash(error);
      void Promise.resolve(iterator?.return?.()).catch(() => {});
    }
  }

  /** Send what an iterator gives, as its reader's credit allows. @param {any} iterator */
  async pour(iterator) {
    const { server, taken } = this;
    const { line } = server;
    const sending = /** @type {import("../wire/calls.js").Sending} */ (taken.sending);
    let turn = performance.now();
    for (;;) {
      const next = iterator.next();
      const step = isThenable(next) ? await next : next;
      if (this.done) return void (await iterator.return?.());
      if (step.done) break;
      try {
        const { codec, body } = encodeBody(step.value, this.reply);
        while (sending.credit <= 0 && !this.stopped && !this.done) await this.credit();
        if (this.stopped || this.done) {
          await iterator.return?.();
          if (this.stopped) this.fail(this.stopped);
          return;
        }
        line.connection.item(taken.key, sending, codec, body);
      } catch (error) {
        throw new Sent(error);
      }
      const now = performance.now();
      line.gave(now);
      if (now - turn > TURN_MS) {
        line.flush();
        await new Promise((resolve) => setImmediate(resolve));
        turn = performance.now();
      }
    }
    const now = performance.now();
    this.tellHeld();
    line.connection.end(taken, Codec.NONE, NO_BYTES, (now - this.began) * 1000);
    this.close(now);
  }

  /** @returns {Promise<void>} */
  credit() {
    return new Promise((resolve) => (this.woken = resolve));
  }

  wake() {
    const { woken } = this;
    this.woken = null;
    woken?.();
  }

  /** The function threw. @param {unknown} error */
  crash(error) {
    if (this.done) return;
    this.fail(this.stopped ?? faultOf(error));
  }

  /** @param {Fault} fault @param {boolean} [unstarted] */
  fail(fault, unstarted = false) {
    if (this.done) return;
    const now = performance.now();
    this.tellHeld();
    this.server.line.connection.fault(this.taken, fault, this.begun ? (now - this.began) * 1000 : 0, unstarted);
    this.close(now);
  }

  /** @param {number} now */
  close(now) {
    this.done = true;
    this.input?.end(new Fault("CANCELLED", "the call has been answered", { started: "yes" }));
    this.wake();
    this.server.ended(this);
    this.server.line.said(now);
  }

  /** Send an event about this call at once: its function may keep the thread for long. @param {Buffer} body */
  tell(body) {
    this.mention(body);
    this.server.line.flush();
  }

  /** Send an event about this call with what follows it. @param {Buffer} body */
  mention(body) {
    const { line } = this.server;
    if (line.dead || line.waiting > LOG_BYTES_MAX) return;
    line.attempt(() => line.connection.event(body, this.frame.call));
  }

  /** Tell what was held back, if it was the last word, with the answer that follows. */
  tellHeld() {
    if (this.held === null) return;
    this.mention(dumpProgress(...this.held));
    this.held = null;
  }

  describe() {
    return `${this.binding?.name} (call ${this.callId})`;
  }
}

/** An item that cannot be sent; apart from what the generator itself throws. */
class Sent extends Error {
  /** @param {unknown} cause */
  constructor(cause) {
    super(describe(cause), { cause });
  }
}

/** @param {string} detail */
function unimplemented(detail) {
  return new Fault("UNIMPLEMENTED", detail, { started: "no" });
}

/** @param {any} value @returns {value is Promise<any>} */
function isThenable(value) {
  return typeof value === "object" && value !== null && typeof value.then === "function";
}

/** @param {any} value */
function isIterator(value) {
  return (
    typeof value === "object" &&
    value !== null &&
    typeof value.next === "function" &&
    (Symbol.asyncIterator in value || Symbol.iterator in value)
  );
}
