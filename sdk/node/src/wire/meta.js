/** Meta of a CALL: what travels with it besides its input (SPEC §3). */

import { NO_BYTES } from "./frame.js";
import { ProtocolFault } from "./protocol-fault.js";

const TRACE = 1;
const TRACE_STATE = 2;
const CALL_ID = 3;
const FUNCTION = 4;
const DEPTH = 5;
const TRACE_BYTES = 26;
const SIZES = Object.freeze({ [TRACE_STATE]: 512, [CALL_ID]: 128, [FUNCTION]: 256 });
const NAMES = ["", "TRACE", "TRACE_STATE", "CALL_ID", "FUNCTION", "DEPTH"];

/**
 * @typedef {object} Trace
 * @property {string} traceId 32 hex digits
 * @property {string} spanId 16 hex digits
 * @property {number} flags
 * @property {string} state the `tracestate` header
 */

/**
 * @typedef {object} Entries
 * @property {Trace | null} trace
 * @property {string} callId
 * @property {string} function
 * @property {number} depth
 */

/** @type {Entries} */
export const NO_ENTRIES = Object.freeze({ trace: null, callId: "", function: "", depth: 0 });

/**
 * @param {Buffer} meta
 * @returns {Entries}
 */
export function decodeMeta(meta) {
  if (!meta.length) return NO_ENTRIES;
  /** @type {(Buffer | undefined)[]} */
  const found = [];
  let at = 0;
  while (at < meta.length) {
    if (meta.length - at < 3) throw new ProtocolFault("meta", `${meta.length - at} stray bytes at the end`);
    const tag = meta[at];
    const size = meta[at + 1] | (meta[at + 2] << 8);
    at += 3;
    if (size > meta.length - at) {
      throw new ProtocolFault("meta", `entry ${tag} claims ${size} bytes of the ${meta.length - at} left`);
    }
    if (tag >= TRACE && tag <= DEPTH) {
      if (found[tag]) throw new ProtocolFault("meta", `entry ${tag} comes twice`);
      found[tag] = meta.subarray(at, at + size);
    }
    at += size;
  }
  const depth = found[DEPTH];
  if (depth && depth.length !== 1) throw new ProtocolFault("meta", `DEPTH of ${depth.length} bytes; it is one`);
  const state = text(found, TRACE_STATE);
  return {
    trace: traceOf(found[TRACE], state),
    callId: text(found, CALL_ID),
    function: text(found, FUNCTION),
    depth: depth ? depth[0] : 0,
  };
}

/**
 * @param {Buffer | undefined} value
 * @param {string} state
 * @returns {Trace | null}
 */
function traceOf(value, state) {
  if (!value) return null;
  if (value.length !== TRACE_BYTES) throw new ProtocolFault("meta", `TRACE of ${value.length} bytes`);
  const traceId = value.toString("hex", 1, 17);
  const spanId = value.toString("hex", 17, 25);
  // W3C: a context of an unknown version or without ids is as none; the call goes on untraced.
  if (value[0] !== 0 || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return null;
  return { traceId, spanId, flags: value[25], state };
}

/**
 * @param {(Buffer | undefined)[]} found
 * @param {2 | 3 | 4} tag
 */
function text(found, tag) {
  const value = found[tag];
  if (!value) return "";
  if (!value.length || value.length > SIZES[tag]) {
    throw new ProtocolFault("meta", `${NAMES[tag]} of ${value.length} bytes; 1 to ${SIZES[tag]} are allowed`);
  }
  let decoded = "";
  try {
    decoded = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value);
  } catch {
    throw new ProtocolFault("meta", `${NAMES[tag]} is not UTF-8`);
  }
  if (!printable(decoded, tag !== FUNCTION)) throw new ProtocolFault("meta", `${NAMES[tag]} is not printable`);
  return decoded;
}

/**
 * @param {string} value
 * @param {boolean} ascii
 */
function printable(value, ascii) {
  return ascii ? /^[\x20-\x7e]*$/.test(value) : !/[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u.test(value);
}

/**
 * @param {{trace?: Trace | null, callId?: string, function?: string, depth?: number}} entries
 * @returns {Buffer}
 */
export function encodeMeta(entries) {
  /** @type {Buffer[]} */
  const parts = [];
  const { trace } = entries;
  if (trace) {
    const value = Buffer.alloc(TRACE_BYTES);
    value.write(trace.traceId, 1, "hex");
    value.write(trace.spanId, 17, "hex");
    value[25] = trace.flags;
    add(parts, TRACE, value);
    if (trace.state) addText(parts, TRACE_STATE, trace.state);
  }
  if (entries.callId) addText(parts, CALL_ID, entries.callId);
  if (entries.function) addText(parts, FUNCTION, entries.function);
  if (entries.depth) add(parts, DEPTH, Buffer.of(entries.depth));
  return parts.length ? Buffer.concat(parts) : NO_BYTES;
}

/**
 * @param {Buffer[]} parts
 * @param {number} tag
 * @param {Buffer} value
 */
function add(parts, tag, value) {
  parts.push(Buffer.of(tag, value.length & 0xff, value.length >> 8), value);
}

/**
 * @param {Buffer[]} parts
 * @param {2 | 3 | 4} tag
 * @param {string} value
 */
function addText(parts, tag, value) {
  const bytes = Buffer.from(value);
  if (bytes.length > SIZES[tag] || !value.isWellFormed() || !printable(value, tag !== FUNCTION)) {
    throw new TypeError(
      `${NAMES[tag]} ${JSON.stringify(value.slice(0, 100))} cannot travel: it is unprintable or long`,
    );
  }
  add(parts, tag, bytes);
}

/**
 * The trace that a W3C `traceparent` header names; null where it names none.
 *
 * @param {string} traceparent
 * @param {string} [state]
 * @returns {Trace | null}
 */
export function parseTrace(traceparent, state = "") {
  const match = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(traceparent);
  if (!match || /^0+$/.test(match[1]) || /^0+$/.test(match[2])) return null;
  return { traceId: match[1], spanId: match[2], flags: parseInt(match[3], 16), state };
}

/** @param {Trace | null} trace */
export function formatTrace(trace) {
  return trace ? `00-${trace.traceId}-${trace.spanId}-${trace.flags.toString(16).padStart(2, "0")}` : "";
}
