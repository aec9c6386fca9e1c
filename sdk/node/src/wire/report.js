/** The bodies of FAULT and EVENT (SPEC §10). */

import { CODES, Fault } from "../fault.js";
import { dump, itemsOf, load, numberOf, sectionOf, textOf } from "./document.js";
import { REPORT_BYTES_MAX } from "./frame.js";
import { ProtocolFault } from "./protocol-fault.js";

/** A traceback or log line is cut here: past it nobody reads, and even escaped sixfold it fits the frame. */
const TEXT_CHARS_MAX = 64 * 1024;
/** A detail is cut here: a message may hold a whole data set, and a caller reads the first page. */
const DETAIL_CHARS_MAX = 16 * 1024;
const ERRORS_MAX = 1000;
const BREACH_CHARS_MAX = 200;
const STARTED = ["no", "yes", "unknown"];

/**
 * @param {unknown} value
 * @param {number} [charsMax]
 */
export function cut(value, charsMax = TEXT_CHARS_MAX) {
  const text = typeof value === "string" ? value : String(value);
  return text.length <= charsMax ? text : `${text.slice(0, charsMax - 1)}…`;
}

/** @param {Fault} fault @returns {Buffer} */
export function dumpFault(fault) {
  const { retryAfter } = fault;
  let errors = [...fault.errors].slice(0, ERRORS_MAX).map((each) => ({
    path: cut(each?.path ?? "", BREACH_CHARS_MAX),
    message: cut(each?.message ?? "", BREACH_CHARS_MAX),
  }));
  const body = {
    code: CODES.includes(fault.code) ? fault.code : "UNKNOWN",
    detail: cut(fault.detail, DETAIL_CHARS_MAX),
    started: STARTED.includes(fault.started) ? fault.started : "unknown",
    traceback: fault.traceback ? cut(fault.traceback) : undefined,
    retry_after_s: Number.isFinite(retryAfter) ? Math.max(Number(retryAfter), 0) : undefined,
  };
  while (errors.length) {
    const data = dump({ ...body, errors });
    if (data.length <= REPORT_BYTES_MAX) return data;
    errors = errors.slice(0, errors.length >> 1);
  }
  return dump(body);
}

/** @param {Buffer} body @returns {Fault} */
export function loadFault(body) {
  const document = load(body, "FAULT");
  const code = textOf(document, "code", "FAULT");
  const started = textOf(document, "started", "FAULT", "unknown");
  return new Fault(
    /** @type {any} */ (CODES.includes(/** @type {any} */ (code)) ? code : "UNKNOWN"),
    textOf(document, "detail", "FAULT", ""),
    {
      started: /** @type {any} */ (STARTED.includes(started) ? started : "unknown"),
      errors: itemsOf(document, "errors", "FAULT").slice(0, ERRORS_MAX).map(breachOf),
      retryAfter: "retry_after_s" in document ? numberOf(document, "retry_after_s", "FAULT") : undefined,
      traceback: textOf(document, "traceback", "FAULT", ""),
      remote: true,
    },
  );
}

/** @param {unknown} entry */
function breachOf(entry) {
  if (typeof entry !== "object" || entry === null || Array.isArray(entry)) {
    throw new ProtocolFault("json", "FAULT: each of `errors` must be an object");
  }
  const document = /** @type {Record<string, unknown>} */ (entry);
  return { path: textOf(document, "path", "FAULT", ""), message: textOf(document, "message", "FAULT", "") };
}

/**
 * @param {string} message
 * @param {string} level
 * @param {string} stream
 * @param {object} [fields] what JSON can say
 */
export function dumpLog(message, level, stream, fields) {
  const log = { message: cut(message), level, stream };
  const data = dump({ log: { ...log, fields } });
  return data.length <= REPORT_BYTES_MAX ? data : dump({ log });
}

/** @param {number} share @param {string} message */
export function dumpProgress(share, message) {
  return dump({ progress: { share: Math.min(Math.max(share, 0), 1) || 0, message: cut(message) } });
}

/**
 * @param {Buffer} body
 * @returns {{log: object} | {progress: {share: number, message: string}} | null}
 */
export function loadEvent(body) {
  const document = load(body, "EVENT");
  if ("log" in document) {
    const log = sectionOf(document, "log", "EVENT");
    const message = textOf(log, "message", "EVENT");
    const level = textOf(log, "level", "EVENT", "info");
    const stream = textOf(log, "stream", "EVENT", "log");
    return { log: { message, level, stream, fields: sectionOf(log, "fields", "EVENT") } };
  }
  if ("progress" in document) {
    const progress = sectionOf(document, "progress", "EVENT");
    const share = Math.min(Math.max(numberOf(progress, "share", "EVENT"), 0), 1);
    return { progress: { share, message: textOf(progress, "message", "EVENT", "") } };
  }
  return null;
}
