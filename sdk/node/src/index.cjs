// @ts-nocheck - the types of this module are those of index.d.ts
"use strict";
// For CommonJS: the package is ESM, and Node 20 cannot require that. Faults are of one class all the same.

const CODE = Symbol.for("dragoman.Fault");
const STATICS = {
  invalidArgument: "INVALID_ARGUMENT",
  unauthenticated: "UNAUTHENTICATED",
  permissionDenied: "PERMISSION_DENIED",
  notFound: "NOT_FOUND",
  aborted: "ABORTED",
  alreadyExists: "ALREADY_EXISTS",
  failedPrecondition: "FAILED_PRECONDITION",
  outOfRange: "OUT_OF_RANGE",
  resourceExhausted: "RESOURCE_EXHAUSTED",
  cancelled: "CANCELLED",
  unknown: "UNKNOWN",
  internal: "INTERNAL",
  dataLoss: "DATA_LOSS",
  unimplemented: "UNIMPLEMENTED",
  unavailable: "UNAVAILABLE",
  deadlineExceeded: "DEADLINE_EXCEEDED",
};

class Fault extends Error {
  constructor(code, detail, more = {}) {
    super(detail, more.cause === undefined ? undefined : { cause: more.cause });
    if (!Object.values(STATICS).includes(code)) throw new TypeError(`${String(code)} is no code`);
    Object.assign(this, { name: "Fault", code, detail, started: "unknown", errors: [], traceback: "", remote: false });
    Object.assign(this, { function: "" }, more);
  }

  get [CODE]() {
    return true;
  }

  get retryable() {
    return this.started === "no" && ["RESOURCE_EXHAUSTED", "UNAVAILABLE", "ABORTED"].includes(this.code);
  }

  static [Symbol.hasInstance](value) {
    return typeof value === "object" && value !== null && CODE in value;
  }
}
for (const [name, code] of Object.entries(STATICS)) {
  Fault[name] = (detail, more) =>
    new Fault(
      code,
      detail,
      Array.isArray(more) ? { errors: more } : typeof more === "number" ? { retryAfter: more } : {},
    );
}

exports.Fault = Fault;
exports.define = (contract, func) => Object.assign(func, contract);
exports.connect = (url, options) => import("./index.js").then((it) => it.connect(url, options));
exports.open = (project, options) => import("./index.js").then((it) => it.open(project, options));
