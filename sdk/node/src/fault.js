/** Faults: the closed set of ways a call can fail, each with a gRPC code and an answer to "did it start?". */

/** @typedef {import("./index.js").Code} Code */
/** @typedef {import("./index.js").Started} Started */
/** @typedef {import("./index.js").Breach} Breach */

/** @type {readonly Code[]} */
export const CODES = Object.freeze([
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
]);

/** Codes of conditions that may pass by themselves. */
const PASSING = new Set(["RESOURCE_EXHAUSTED", "UNAVAILABLE", "ABORTED"]);
const MARK = Symbol.for("dragoman.Fault");

/** A call that failed. */
export class Fault extends Error {
  /**
   * @param {Code} code
   * @param {string} detail
   * @param {{started?: Started, errors?: readonly Breach[], retryAfter?: number, traceback?: string, cause?: unknown,
   *          remote?: boolean}} [more]
   */
  constructor(code, detail, more = {}) {
    super(detail, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = "Fault";
    if (!CODES.includes(code)) throw new TypeError(`${String(code)} is no code; there are ${CODES.join(", ")}`);
    this.code = code;
    this.detail = detail;
    this.started = more.started ?? "unknown";
    this.errors = more.errors ?? [];
    this.retryAfter = more.retryAfter;
    this.traceback = more.traceback ?? "";
    /** Whether it came from the other side of a wire. */
    this.remote = more.remote ?? false;
    /** @type {string} */
    this.function = "";
  }

  get [MARK]() {
    return true;
  }

  /** True when the call never ran and the condition may pass, so that anyone may safely try again. */
  get retryable() {
    return this.started === "no" && PASSING.has(this.code);
  }

  /** One class, however many copies of this package a program has loaded. @param {unknown} value @returns {value is Fault} */
  static [Symbol.hasInstance](value) {
    return typeof value === "object" && value !== null && MARK in value;
  }

  /** @param {string} detail @param {readonly Breach[]} [errors] */
  static invalidArgument(detail, errors) {
    return new Fault("INVALID_ARGUMENT", detail, { errors });
  }
  /** @param {string} detail */
  static unauthenticated(detail) {
    return new Fault("UNAUTHENTICATED", detail);
  }
  /** @param {string} detail */
  static permissionDenied(detail) {
    return new Fault("PERMISSION_DENIED", detail);
  }
  /** @param {string} detail */
  static notFound(detail) {
    return new Fault("NOT_FOUND", detail);
  }
  /** @param {string} detail */
  static aborted(detail) {
    return new Fault("ABORTED", detail);
  }
  /** @param {string} detail */
  static alreadyExists(detail) {
    return new Fault("ALREADY_EXISTS", detail);
  }
  /** @param {string} detail */
  static failedPrecondition(detail) {
    return new Fault("FAILED_PRECONDITION", detail);
  }
  /** @param {string} detail */
  static outOfRange(detail) {
    return new Fault("OUT_OF_RANGE", detail);
  }
  /** @param {string} detail @param {number} [retryAfter] seconds */
  static resourceExhausted(detail, retryAfter) {
    return new Fault("RESOURCE_EXHAUSTED", detail, { retryAfter });
  }
  /** @param {string} detail */
  static cancelled(detail) {
    return new Fault("CANCELLED", detail);
  }
  /** @param {string} detail */
  static unknown(detail) {
    return new Fault("UNKNOWN", detail);
  }
  /** @param {string} detail */
  static internal(detail) {
    return new Fault("INTERNAL", detail);
  }
  /** @param {string} detail */
  static dataLoss(detail) {
    return new Fault("DATA_LOSS", detail);
  }
  /** @param {string} detail */
  static unimplemented(detail) {
    return new Fault("UNIMPLEMENTED", detail);
  }
  /** @param {string} detail @param {number} [retryAfter] seconds */
  static unavailable(detail, retryAfter) {
    return new Fault("UNAVAILABLE", detail, { retryAfter });
  }
  /** @param {string} detail */
  static deadlineExceeded(detail) {
    return new Fault("DEADLINE_EXCEEDED", detail);
  }
}
