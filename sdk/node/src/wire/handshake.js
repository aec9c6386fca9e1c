/** The handshake: HELLO from the host, READY from the guest (SPEC §5). Known keys are checked, unknown ones ignored. */

import { dump, integerOf, itemsOf, load, namesOf, sectionOf, textOf } from "./document.js";
import { AMOUNT_MAX, FRAME_BYTES_MAX, HEADER_BYTES, READY_BYTES_MAX, VERSION } from "./frame.js";
import { IllegalFrame, ProtocolFault } from "./protocol-fault.js";

export const CREDIT_BYTES_MAX = 2 ** 31;
export const FUNCTIONS_MAX = 10_000;
const FRAME_BYTES_LEAST = 64 * 1024;

/** What both sides go by until HELLO says otherwise. */
export const LIMITS = Object.freeze({
  frameBytesMax: FRAME_BYTES_MAX,
  creditBytes: 256 * 1024,
  callsMax: 4096,
  segmentFromBytes: 256 * 1024,
});

/** @typedef {{frameBytesMax: number, creditBytes: number, callsMax: number, segmentFromBytes: number}} Limits */
/**
 * @typedef {object} Hello
 * @property {string} host
 * @property {string} source
 * @property {string} service
 * @property {string} callPrefix
 * @property {number} concurrency
 * @property {boolean} debug
 * @property {string[]} features
 * @property {Limits} limits
 * @property {[number, number]} versions
 */
/**
 * @typedef {object} Ready
 * @property {string} [token]
 * @property {number} [version]
 * @property {string} language
 * @property {string} [languageVersion]
 * @property {string} [library]
 * @property {string[]} [features]
 * @property {object[]} [functions]
 */

/** @param {Buffer} body @returns {Hello} */
export function loadHello(body) {
  const document = load(body, "HELLO");
  const limits = sectionOf(document, "limits", "HELLO");
  const debug = document.debug ?? false;
  if (typeof debug !== "boolean") throw new ProtocolFault("json", "HELLO: `debug` must be true or false");
  return {
    host: textOf(document, "host", "HELLO"),
    source: textOf(document, "source", "HELLO", ""),
    service: textOf(document, "service", "HELLO", ""),
    callPrefix: textOf(document, "call_prefix", "HELLO", ""),
    concurrency: integerOf(document, "concurrency", "HELLO", 1, 1),
    debug,
    features: namesOf(document, "features", "HELLO"),
    limits: {
      frameBytesMax: Math.min(
        integerOf(limits, "frame_bytes_max", "HELLO", FRAME_BYTES_LEAST, LIMITS.frameBytesMax),
        AMOUNT_MAX,
      ),
      creditBytes: Math.min(
        integerOf(limits, "credit_bytes", "HELLO", HEADER_BYTES, LIMITS.creditBytes),
        CREDIT_BYTES_MAX,
      ),
      callsMax: integerOf(limits, "calls_max", "HELLO", 1, LIMITS.callsMax),
      segmentFromBytes: integerOf(limits, "segment_from_bytes", "HELLO", 1, LIMITS.segmentFromBytes),
    },
    versions: versionsOf(document),
  };
}

/** @param {Record<string, unknown>} document @returns {[number, number]} */
function versionsOf(document) {
  const [lowest, highest, ...rest] = itemsOf(document, "versions", "HELLO");
  if (!Number.isInteger(lowest) || !Number.isInteger(highest) || rest.length) {
    throw new ProtocolFault("handshake", "HELLO: `versions` must be [lowest, highest]");
  }
  const range = /** @type {[number, number]} */ ([lowest, highest]);
  if (range[0] < 1 || range[0] > range[1]) {
    throw new ProtocolFault("handshake", `HELLO: \`versions\` ${JSON.stringify(range)} is not a range from 1 up`);
  }
  return range;
}

/** Refuse a host that speaks no version that this side does. @param {[number, number]} offered */
export function negotiate(offered) {
  if (offered[0] > VERSION || offered[1] < VERSION) {
    const range = `${offered[0]} to ${offered[1]}`;
    const fault = new ProtocolFault("handshake", `no common version: the host speaks ${range}, this side ${VERSION}`);
    fault.code = "FAILED_PRECONDITION";
    throw fault;
  }
}

/** @param {Ready} ready @returns {Buffer} */
export function dumpReady(ready) {
  const { token, version = VERSION, language, languageVersion, library, features = [], functions = [] } = ready;
  if (functions.length > FUNCTIONS_MAX) {
    throw new IllegalFrame(`${functions.length} functions; a worker offers at most ${FUNCTIONS_MAX}`);
  }
  const fields = { version, language, language_version: languageVersion, library, features, functions };
  const body = dump(token ? { token, ...fields } : fields);
  if (body.length > READY_BYTES_MAX) {
    throw new IllegalFrame(`a manifest of ${body.length} bytes; READY takes at most ${READY_BYTES_MAX}`);
  }
  return body;
}

/**
 * @param {Buffer} body
 * @param {[number, number]} [versions]
 * @returns {Required<Ready>}
 */
export function loadReady(body, versions = [VERSION, VERSION]) {
  const document = load(body, "READY");
  const version = integerOf(document, "version", "READY", 1);
  if (version < versions[0] || version > versions[1]) {
    throw new ProtocolFault("handshake", `READY chose version ${version}; offered were ${versions.join(" to ")}`);
  }
  const functions = itemsOf(document, "functions", "READY");
  if (functions.length > FUNCTIONS_MAX) {
    throw new ProtocolFault("handshake", `READY: ${functions.length} functions; at most ${FUNCTIONS_MAX} are taken`);
  }
  if (!functions.every((each) => typeof each === "object" && each !== null && !Array.isArray(each))) {
    throw new ProtocolFault("json", "READY: each of `functions` must be an object");
  }
  return {
    token: textOf(document, "token", "READY", ""),
    version,
    language: textOf(document, "language", "READY"),
    languageVersion: textOf(document, "language_version", "READY", ""),
    library: textOf(document, "library", "READY", ""),
    features: namesOf(document, "features", "READY"),
    functions: /** @type {object[]} */ (functions),
  };
}
