/**
 * One end of a wire without its I/O: bytes in, checked frames out; sends go into a batch.
 *
 * After a `ProtocolFault` nothing more is received; a side may still tell why by `fail` before it closes.
 */

import { Fault } from "../fault.js";
import { Made, Reading, Sending, Taken } from "./calls.js";
import { Decoder } from "./decoder.js";
import {
  AMOUNT_MAX,
  BODY_BYTES_MAX,
  CORRUPT,
  Codec,
  Flag,
  Frame,
  KIND_NAMES,
  Kind,
  META_BYTES_MAX,
  NO_BYTES,
  hexOf,
} from "./frame.js";
import { LIMITS, dumpReady, loadHello, loadReady, negotiate } from "./handshake.js";
import { decodeMeta } from "./meta.js";
import { IllegalFrame, Oversized, ProtocolFault } from "./protocol-fault.js";
import { dumpFault } from "./report.js";
import { TABLES, everReceives, stepOf } from "./state.js";

/** @typedef {import("./frame.js").Key} Key */
/** @typedef {import("./batch.js").Batch} Batch */
/** @typedef {import("./batch.js").Body} Body */
/** @typedef {import("./state.js").Role} Role */
/** @typedef {import("./handshake.js").Hello} Hello */
/** @typedef {import("./handshake.js").Ready} Ready */
/** @typedef {{in: import("./arena.js").Borrowed, out: import("./arena.js").Lent}} Arenas */

const { CALL, ITEM, END, FAULT, CANCEL, CREDIT, EVENT, PING, PONG, RELEASE } = Kind;
const PINGS_MAX = 16;

export class Connection {
  /**
   * @param {Role} role
   * @param {Batch} out
   * @param {Arenas | null} [arenas]
   */
  constructor(role, out, arenas = null) {
    this.role = role;
    this.out = out;
    this.arenas = arenas;
    /** Whether this side's calls have ids from 1 up. */
    this.hosts = role === "host" || role === "gate";
    /** @type {import("./handshake.js").Limits} */
    this.limits = LIMITS;
    /** @type {Hello | null} */
    this.hello = null;
    /** @type {Ready | null} */
    this.ready = null;
    this.phase = "start";
    this.segments = false;
    /** @type {Map<Key, Made>} */
    this.made = new Map();
    /** @type {Map<Key, Taken>} */
    this.taken = new Map();
    this.decoder = new Decoder();
    /** @type {ProtocolFault | null} */
    this.broken = null;
    /** @type {Buffer[]} */
    this.pings = [];
    this.table = TABLES[role];
  }

  // Receiving

  /**
   * Take bytes from the peer; return the frames that this side must act on, in order. Their bodies may be views of
   * `data`. A `ProtocolFault` has the good frames before it.
   *
   * @param {Buffer} data
   * @returns {Frame[]}
   */
  receive(data) {
    return this._guard(() => this.decoder.feed(data));
  }

  /** As `receive`, for bytes that were read into the decoder's target. @param {number} size */
  filled(size) {
    return this._guard(() => this.decoder.filled(size));
  }

  /** @param {() => Frame[]} read */
  _guard(read) {
    if (this.broken) throw new ProtocolFault(this.broken.reason, this.broken.detail);
    try {
      let frames;
      try {
        frames = read();
      } catch (error) {
        if (error instanceof ProtocolFault) error.frames = this._accept(error.frames);
        throw error;
      }
      return this._accept(frames);
    } catch (error) {
      if (error instanceof ProtocolFault) this.broken = error;
      throw error;
    }
  }

  /** Take the end of the peer's bytes. */
  eof() {
    if (this.decoder.missing) throw new ProtocolFault("truncated", "the peer's bytes end inside a frame");
    if (this.phase !== "closed" && this.phase !== "left") {
      throw new ProtocolFault("truncated", `the peer closed without BYE while the connection was ${this.phase}`);
    }
  }

  /** @param {Frame[]} frames */
  _accept(frames) {
    /** @type {Frame[] | null} */
    let kept = null;
    for (let at = 0; at < frames.length; at++) {
      const frame = frames[at];
      let result;
      try {
        result = this._step(frame);
      } catch (error) {
        if (error instanceof ProtocolFault) error.frames = kept ?? frames.slice(0, at);
        throw error;
      }
      if (result !== frame && kept === null) kept = frames.slice(0, at);
      if (kept !== null && result !== null) kept.push(result);
    }
    return kept ?? frames;
  }

  /** Check one frame; what to act on in its place, if anything. @param {Frame} frame @returns {Frame | null} */
  _step(frame) {
    const step = stepOf(frame.kind, frame.flags, frame.call === 0);
    const phase = this.table[this.phase].receive[step];
    if (phase === undefined) {
      const reason = everReceives(this.role, step) ? "state" : "direction";
      throw new ProtocolFault(reason, `${step} is not possible while the connection is ${this.phase}`);
    }
    if (phase === "left") return null;
    this.phase = phase;
    if (frame.flags & CORRUPT) return this._corrupt(frame, step);
    if (frame.flags & Flag.SEGMENT) frame.region = this._borrow(frame);
    const result = this._take(frame, step);
    if (result === null && frame.region) this.release(frame.region.offset);
    return result;
  }

  /** @param {Frame} frame @param {string} step */
  _take(frame, step) {
    switch (frame.kind) {
      case CALL:
        return this._onCall(frame);
      case ITEM:
      case END:
        return this._mine(frame.call) ? this._onReply(frame, step) : this._onInput(frame);
      case FAULT:
        if (step !== "FAILURE") return this._onReply(frame, step);
        this._forget();
        return frame;
      case CANCEL:
        return this._onCancel(frame, step);
      case CREDIT:
        return this._onCredit(frame);
      case EVENT:
        if (frame.call < 0) {
          throw new ProtocolFault("call_id", `EVENT about call ${hexOf(frame.call)}, which the host did not make`);
        }
        return frame;
      case RELEASE:
        if (!this.segments || !this.arenas?.out.returned(Number(frame.body.readBigUInt64LE(0)))) {
          throw new ProtocolFault("segment", "RELEASE of a region that is not lent");
        }
        return null;
      default:
        return this._onConnection(frame);
    }
  }

  /** @param {Frame} frame */
  _onConnection(frame) {
    switch (frame.kind) {
      case Kind.HELLO:
        this.hello = loadHello(frame.body);
        this.limits = this.hello.limits;
        this.decoder.limit = this.limits.frameBytesMax;
        negotiate(this.hello.versions);
        break;
      case Kind.READY:
        this.ready = loadReady(frame.body, this.hello?.versions);
        this._checkReady(this.ready);
        this._agree();
        break;
      case PONG:
        if (!this.pings.length || !(/** @type {Buffer} */ (this.pings.shift()).equals(frame.body))) {
          throw new ProtocolFault("pong", "a PONG that echoes no PING");
        }
        return null;
      case Kind.BYE:
        // A guest's call may have crossed the BYE of its host; a host's cannot have crossed its guest's.
        if (this.made.size && this.role === "host") {
          throw new ProtocolFault("state", `BYE with ${this.made.size} calls unanswered`);
        }
        this._forget();
    }
    return frame;
  }

  /** @param {Ready} ready */
  _checkReady({ features = [], functions = [] }) {
    if (this.role !== "gate") return;
    if (functions.length || ["progress", "revoke", "segments"].some((each) => features.includes(each))) {
      throw new ProtocolFault("handshake", "a client offers no functions, progress, revoke or segments");
    }
  }

  /** Shared memory is used where both sides offered it. */
  _agree() {
    const both = this.hello?.features.includes("segments") && this.ready?.features?.includes("segments");
    this.segments = this.decoder.segments = Boolean(both) && (this.role === "host" || this.role === "guest");
  }

  /** @param {Key} key */
  _mine(key) {
    return this.hosts ? key > 0 : key < 0;
  }

  /** @param {Key} key */
  _theirs(key) {
    return this.hosts ? key < 0 : key > 0;
  }

  /** @param {Frame} frame */
  _onCall(frame) {
    this._checkCall(frame.call);
    const { flags } = frame;
    if (flags & Flag.INPUT && this.hosts && !this.hello?.features.includes("input")) {
      throw new ProtocolFault("flags", "CALL with INPUT to a host that did not offer to take it");
    }
    if (frame.meta.length || this.hosts) {
      const entries = decodeMeta(frame.meta);
      if (this.hosts && !entries.function) {
        throw new ProtocolFault("meta", `call ${hexOf(frame.call)} from a guest names no FUNCTION`);
      }
    }
    const window = this.limits.creditBytes;
    const sending = flags & Flag.STREAM ? new Sending(window) : null;
    const input = flags & Flag.INPUT ? new Reading(window) : null;
    this.taken.set(frame.call, (frame.about = new Taken(frame.call, sending, input)));
    return frame;
  }

  /** @param {Key} call */
  _checkCall(call) {
    if (!this._theirs(call)) throw new ProtocolFault("call_id", `CALL with id ${hexOf(call)}, not the peer's to give`);
    if (this.taken.has(call)) {
      throw new ProtocolFault("duplicate_call", `CALL with id ${hexOf(call)}, which is in flight already`);
    }
    if (this.taken.size >= this.limits.callsMax) {
      throw new ProtocolFault("calls", `more than ${this.limits.callsMax} calls in flight`);
    }
  }

  /** @param {Frame} frame @param {string} step */
  _onReply(frame, step) {
    const { call } = frame;
    const made = this.made.get(call);
    if (!made) throw new ProtocolFault("unknown_call", `${step} for call ${hexOf(call)}, which is not in flight`);
    frame.about = made;
    const bytes = bytesOf(frame);
    if (step === "ITEM") {
      if (!made.reading) throw new ProtocolFault("stream", `ITEM for call ${hexOf(call)}, which asked for no stream`);
      made.reading.take(bytes);
      return made.spoiled ? null : frame;
    }
    if (step === "RETURN" && !made.revoking && !made.cancelling) {
      throw new ProtocolFault("revoke", `call ${hexOf(call)} comes back and was not asked for`);
    }
    if (step === "END" && bytes && made.reading?.items) {
      throw new ProtocolFault("stream", `END of the stream of call ${hexOf(call)} with a body`);
    }
    this.made.delete(call);
    if (!made.spoiled) return frame;
    if (frame.region) this.release(frame.region.offset);
    return dataLoss(frame, made);
  }

  /** An ITEM or END of a call that this side took: its input. @param {Frame} frame */
  _onInput(frame) {
    const { call } = frame;
    if (call === 0) throw new ProtocolFault("unknown_call", `${KIND_NAMES[frame.kind]} for call 0`);
    const taken = this.taken.get(call);
    if (!taken) return null;
    if (taken.spoiled) return null;
    const { input } = taken;
    if (!input || input.closed) {
      const why = input ? "after its end" : "that has none";
      throw new ProtocolFault("stream", `${KIND_NAMES[frame.kind]} of an input ${why}, of call ${hexOf(call)}`);
    }
    frame.about = taken;
    const bytes = bytesOf(frame);
    if (frame.kind === ITEM) {
      input.take(bytes);
    } else {
      if (bytes) throw new ProtocolFault("stream", `END of the input of call ${hexOf(call)} with a body`);
      input.closed = true;
    }
    return frame;
  }

  /** @param {Frame} frame @param {string} step */
  _onCancel(frame, step) {
    const { call } = frame;
    if (!this._theirs(call)) throw new ProtocolFault("call_id", `${step} of call ${hexOf(call)}, not the peer's`);
    if (step === "REVOKE" && !this.ready?.features?.includes("revoke")) {
      throw new ProtocolFault("revoke", "a revoke to a guest that did not offer it");
    }
    const taken = this.taken.get(call);
    if (!taken) return null;
    frame.about = taken;
    if (step === "REVOKE") {
      if (taken.cancelled || taken.revoked) {
        throw new ProtocolFault("state", `a revoke of call ${hexOf(call)} after it was revoked or cancelled`);
      }
      taken.revoked = true;
      return frame;
    }
    taken.cancelled = true;
    if (taken.input) taken.input.closed = true;
    return frame;
  }

  /** @param {Frame} frame */
  _onCredit(frame) {
    const { call } = frame;
    if (call === 0) throw new ProtocolFault("unknown_call", "CREDIT for call 0");
    if (this._mine(call)) {
      const made = this.made.get(call);
      if (!made) throw new ProtocolFault("unknown_call", `CREDIT for call ${hexOf(call)}, which is not in flight`);
      if (!made.input) throw new ProtocolFault("stream", `CREDIT for the input of call ${hexOf(call)}, which has none`);
      if (made.input.closed) return null;
      made.input.grant(frame.amount);
      frame.about = made;
      return frame;
    }
    const taken = this.taken.get(call);
    if (!taken) return null;
    if (!taken.sending) throw new ProtocolFault("stream", `CREDIT for call ${hexOf(call)}, which asked for no stream`);
    taken.sending.grant(frame.amount);
    frame.about = taken;
    return frame;
  }

  /** Answer a frame whose checksum does not match: its call fails, not the connection. @param {Frame} frame @param {string} step */
  _corrupt(frame, step) {
    const { call, kind } = frame;
    if (!(frame.flags & Flag.SEGMENT)) {
      if (kind === CALL) {
        this._checkCall(call);
        const fault = new Fault("DATA_LOSS", "the CALL came with a checksum that does not match", { started: "no" });
        this.out.put(FAULT, 0, Codec.JSON, 0, call, 0, NO_BYTES, dumpFault(fault));
        return null;
      }
      if ((kind === ITEM || kind === END) && this._theirs(call)) return this._corruptInput(frame);
      const made = this.made.get(call);
      if (made && kind === ITEM) {
        if (!made.spoiled) this.cancel(made);
        made.spoiled = true;
        return null;
      }
      if (made && (kind === END || kind === FAULT)) {
        this.made.delete(call);
        return dataLoss(frame, made);
      }
    }
    throw new ProtocolFault("checksum", `${step} with a checksum that does not match`);
  }

  /** @param {Frame} frame */
  _corruptInput(frame) {
    const taken = this.taken.get(frame.call);
    if (!taken || taken.spoiled) return null;
    if (!taken.input || taken.input.closed) {
      throw new ProtocolFault("stream", `${KIND_NAMES[frame.kind]} of an input that has ended or never was`);
    }
    taken.spoiled = taken.input.closed = true;
    const cancel = new Frame(CANCEL, 0, 0, 0, frame.call);
    cancel.about = taken;
    return cancel;
  }

  /** @param {Frame} frame */
  _borrow(frame) {
    if (!this.arenas) throw new ProtocolFault("segment", "SEGMENT without an arena");
    return this.arenas.in.take(frame.body, this.limits.frameBytesMax);
  }

  /** The body of a frame, wherever it lies; a region is copied and given back. @param {Frame} frame */
  bodyOf(frame) {
    const { region } = frame;
    if (!region || !this.arenas) return frame.body;
    frame.body = this.arenas.in.read(region);
    frame.owned = true;
    frame.region = null;
    this.release(region.offset);
    return frame.body;
  }

  // Sending

  /** @param {string} step */
  _move(step) {
    const phase = this.table[this.phase].send[step];
    if (phase === undefined) throw new IllegalFrame(`${step} is not possible while the connection is ${this.phase}`);
    this.phase = phase;
  }

  /** READY, from a guest. @param {Ready} ready */
  sayReady(ready) {
    const body = dumpReady(ready);
    this._move("READY");
    this.ready = ready;
    this._agree();
    this.out.put(Kind.READY, 0, Codec.JSON, 0, 0, 0, NO_BYTES, body);
  }

  /** A frame about the connection that says nothing but its kind. @param {"DRAIN" | "BYE"} step */
  say(step) {
    if (step === "BYE" && this.taken.size) {
      throw new IllegalFrame(`BYE while ${this.taken.size} calls wait for their answer`);
    }
    this._move(step);
    if (step === "BYE") this._forget();
    this.out.put(Kind[step], 0, 0, 0, 0, 0, NO_BYTES, NO_BYTES);
  }

  /** @param {Buffer} body */
  ping(body) {
    if (this.pings.length >= PINGS_MAX) throw new IllegalFrame(`${PINGS_MAX} pings are unanswered`);
    this._move("PING");
    this.pings.push(body);
    this.out.put(PING, 0, 0, 0, 0, 0, NO_BYTES, body);
  }

  /** @param {Buffer} body */
  pong(body) {
    this._move("PONG");
    this.out.put(PONG, 0, 0, 0, 0, 0, NO_BYTES, body);
  }

  /** @param {Buffer} body @param {Key} call */
  event(body, call = 0) {
    this._move("EVENT");
    if (body.length > BODY_BYTES_MAX[EVENT]) throw new Oversized(`an EVENT of ${body.length} bytes`);
    this.out.put(EVENT, 0, Codec.JSON, 0, call, 0, NO_BYTES, body);
  }

  /**
   * @param {Key} call
   * @param {{function?: number, codec: number, body: Body, amount?: number, meta?: Buffer, stream?: boolean,
   *          input?: boolean, region?: boolean}} fields
   * @returns {Made}
   */
  call(call, { function: func = 0, codec, body, amount = 0, meta = NO_BYTES, stream = false, input = false, region }) {
    const step = this.table[this.phase].send.CALL;
    if (step === undefined || this.made.has(call) || !this._mine(call) || this.made.size >= this.limits.callsMax) {
      throw new IllegalFrame(`no CALL is possible: the connection is ${this.phase}, ${this.made.size} are in flight`);
    }
    if (meta.length > META_BYTES_MAX) throw new Oversized(`${meta.length} bytes of meta`);
    this._checkSize(meta.length + body.length);
    const window = this.limits.creditBytes;
    const made = new Made(call, stream ? new Reading(window) : null, input ? new Sending(window) : null);
    this.made.set(call, made);
    const flags = (stream ? Flag.STREAM : 0) | (input ? Flag.INPUT : 0);
    this._bulk(CALL, flags, codec, func, call, amount, meta, body, region);
    return made;
  }

  /** @param {Made} made @param {boolean} [unstarted] */
  cancel(made, unstarted = false) {
    if (unstarted && (made.revoking || made.cancelling || made.reading?.items)) throw new IllegalFrame("a late revoke");
    this._move(unstarted ? "REVOKE" : "CANCEL");
    if (unstarted) made.revoking = true;
    else {
      made.cancelling = true;
      if (made.input) made.input.closed = true;
    }
    this.out.put(CANCEL, unstarted ? Flag.UNSTARTED : 0, 0, 0, made.key, 0, NO_BYTES, NO_BYTES);
  }

  /** @param {Key} call @param {Reading} reading @param {number} amount */
  credit(call, reading, amount) {
    this._move("CREDIT");
    reading.granted += amount;
    this.out.put(CREDIT, 0, 0, 0, call, Math.min(amount, AMOUNT_MAX), NO_BYTES, NO_BYTES);
  }

  /**
   * An ITEM of a reply or of an input. Look at the stream's credit first.
   *
   * @param {Key} call
   * @param {Sending} sending
   * @param {number} codec
   * @param {Body} body
   * @param {boolean} [region]
   */
  item(call, sending, codec, body, region) {
    if (sending.credit <= 0 || sending.closed) throw new IllegalFrame(`ITEM for call ${hexOf(call)} without credit`);
    this._checkSize(body.length);
    this._move("ITEM");
    sending.spend(this._bulk(ITEM, 0, codec, 0, call, 0, NO_BYTES, body, region));
  }

  /** The end of an input. @param {Made} made */
  endInput(made) {
    if (!made.input || made.input.closed) throw new IllegalFrame(`the input of call ${hexOf(made.key)} has ended`);
    made.input.closed = true;
    this.out.put(END, 0, 0, 0, made.key, 0, NO_BYTES, NO_BYTES);
  }

  /**
   * END: the reply, or nothing after items. If the body is too large, the call is still owed.
   *
   * @param {Taken} taken
   * @param {number} codec
   * @param {Body} body
   * @param {number} amount microseconds that the function ran
   * @param {boolean} [region]
   */
  end(taken, codec, body, amount = 0, region) {
    if (taken.spoiled) return this.fault(taken, null, amount);
    this._checkSize(body.length);
    if (body.length && taken.sending?.items) throw new IllegalFrame("END with a body after items");
    this._answer(taken, "END");
    this._bulk(END, 0, codec, 0, taken.key, amount < AMOUNT_MAX ? amount : AMOUNT_MAX, NO_BYTES, body, region);
  }

  /**
   * @param {Taken} taken
   * @param {Fault | null} fault null only where the input was corrupt
   * @param {number} amount
   * @param {boolean} [unstarted]
   */
  fault(taken, fault, amount = 0, unstarted = false) {
    const told =
      taken.spoiled || !fault
        ? new Fault("DATA_LOSS", "the input came with a checksum that does not match", { started: "yes" })
        : fault;
    if (unstarted && !taken.revoked && !taken.cancelled) throw new IllegalFrame("a call that nobody wants back");
    this._answer(taken, unstarted ? "RETURN" : "FAULT");
    const micros = amount < AMOUNT_MAX ? amount : AMOUNT_MAX;
    const flags = unstarted ? Flag.UNSTARTED : 0;
    this.out.put(FAULT, flags, Codec.JSON, 0, taken.key, micros, NO_BYTES, dumpFault(told));
  }

  /** FAULT on call 0: this side cannot go on, and why; its last frame. @param {Fault} fault */
  fail(fault) {
    this._move("FAILURE");
    this._forget();
    this.out.put(FAULT, 0, Codec.JSON, 0, 0, 0, NO_BYTES, dumpFault(fault));
  }

  /** Give a region of the peer's arena back. @param {number} offset */
  release(offset) {
    if (!this.arenas?.in.giveBack(offset)) throw new IllegalFrame(`no region at ${offset} is lent`);
    if (this.table[this.phase].send.RELEASE === undefined) return;
    const body = Buffer.alloc(8);
    body.writeBigUInt64LE(BigInt(offset));
    this.out.put(RELEASE, 0, 0, 0, 0, 0, NO_BYTES, body);
  }

  /** @param {Taken} taken @param {string} step */
  _answer(taken, step) {
    if (this.taken.get(taken.key) !== taken)
      throw new IllegalFrame(`${step} for call ${hexOf(taken.key)}, not in flight`);
    this._move(step);
    this.taken.delete(taken.key);
  }

  /** Put a frame whose body may lie in shared memory; the bytes that it costs. */
  _bulk(
    /** @type {number} */ kind,
    /** @type {number} */ flags,
    /** @type {number} */ codec,
    /** @type {number} */ func,
    /** @type {Key} */ call,
    /** @type {number} */ amount,
    /** @type {Buffer} */ meta,
    /** @type {Body} */ body,
    /** @type {boolean | undefined} */ region,
  ) {
    if (region) return this._lent(kind, flags, codec, func, call, amount, meta, /** @type {Buffer} */ (body));
    if (this.segments && typeof body !== "string" && body.length >= this.limits.segmentFromBytes) {
      const named = this.arenas?.out.put(body);
      if (named) {
        this.out.put(kind, flags | Flag.SEGMENT, codec, func, call, amount, meta, named);
        return named.length + body.length;
      }
    }
    return this.out.put(kind, flags, codec, func, call, amount, meta, body);
  }

  /** Put a frame that names a region which is lent already. */
  _lent(
    /** @type {number} */ kind,
    /** @type {number} */ flags,
    /** @type {number} */ codec,
    /** @type {number} */ func,
    /** @type {Key} */ call,
    /** @type {number} */ amount,
    /** @type {Buffer} */ meta,
    /** @type {Buffer} */ named,
  ) {
    this.out.put(kind, flags | Flag.SEGMENT, codec, func, call, amount, meta, named);
    return named.length + Number(named.readBigUInt64LE(8));
  }

  /** @param {number} size at most; of text, characters, which always fit */
  _checkSize(size) {
    if (size > this.limits.frameBytesMax) {
      throw new Oversized(`${size} bytes; its peer accepts ${this.limits.frameBytesMax}`);
    }
  }

  _forget() {
    this.made.clear();
    this.taken.clear();
  }
}

/** The bytes that a body counts for. @param {Frame} frame */
function bytesOf(frame) {
  return frame.body.length + (frame.region ? frame.region.size : 0);
}

/** What a caller sees in place of a reply that was corrupted on its way. @param {Frame} frame @param {Made} made */
function dataLoss(frame, made) {
  const fault = new Fault("DATA_LOSS", "the reply came with a checksum that does not match", { started: "yes" });
  const told = new Frame(FAULT, 0, Codec.JSON, 0, frame.call, frame.amount, NO_BYTES, dumpFault(fault));
  told.about = made;
  return told;
}
