/** Whatever a function throws, as the fault that its caller will read. */

import { inspect } from "node:util";
import { Fault } from "../fault.js";
import { Malformed } from "../values/json.js";
import { Unsayable } from "../values/walk.js";
import { Oversized } from "../wire/protocol-fault.js";

/** A message may hold a whole data set; a caller reads its first page. */
const DETAIL_CHARS_MAX = 4096;
const STACK_CHARS_MAX = 16 * 1024;

/** What user code threw, or the results of it that cannot travel. @param {unknown} error @returns {Fault} */
export function faultOf(error) {
  if (error instanceof Fault) {
    // Whoever threw it, this function had begun.
    return new Fault(error.code, error.detail, {
      started: "yes",
      errors: error.errors,
      retryAfter: error.retryAfter,
      traceback: error.remote ? error.traceback : stackOf(error),
    });
  }
  return new Fault("UNKNOWN", describe(error), { started: "yes", traceback: stackOf(error) });
}

/** A result that cannot be sent. @param {unknown} error @param {string} name @returns {Fault} */
export function unsent(error, name) {
  if (error instanceof Oversized) {
    return new Fault("RESOURCE_EXHAUSTED", `the result of ${name} is too large to send: ${error.message}`, {
      started: "yes",
    });
  }
  if (!(error instanceof Unsayable)) return faultOf(error);
  const where = error.path ? ` at ${error.path}` : "";
  return new Fault("OUT_OF_RANGE", `${name} returned what cannot be sent: ${error.message}${where}`, {
    started: "yes",
    errors: [{ path: error.path, message: error.message }],
  });
}

/** Input that does not decode. @param {unknown} error @param {string} name @returns {Fault} */
export function unread(error, name) {
  if (!(error instanceof Malformed)) return error instanceof Fault ? error : faultOf(error);
  return new Fault("INVALID_ARGUMENT", `the input of ${name} cannot be read: ${error.message}`, {
    started: "no",
    errors: [{ path: error.path, message: error.message }],
  });
}

/** Type and message on one line, whatever was thrown. @param {unknown} error @returns {string} */
export function describe(error) {
  try {
    if (error instanceof Error) {
      const name = error.name === "Error" ? (error.constructor?.name ?? "Error") : error.name;
      return `${name}${error.message ? `: ${error.message}` : ""}`.slice(0, DETAIL_CHARS_MAX);
    }
    const shown = typeof error === "string" ? error : inspect(error, { depth: 2, breakLength: Infinity });
    return `thrown: ${shown}`.slice(0, DETAIL_CHARS_MAX);
  } catch {
    return "thrown: something that cannot be read";
  }
}

/** @param {unknown} error */
export function stackOf(error) {
  try {
    const stack = error instanceof Error ? String(error.stack ?? "") : "";
    if (stack.length <= STACK_CHARS_MAX) return stack;
    const half = STACK_CHARS_MAX / 2;
    return `${stack.slice(0, half)}\n  … ${stack.length - STACK_CHARS_MAX} characters left out …\n${stack.slice(-half)}`;
  } catch {
    return "";
  }
}
