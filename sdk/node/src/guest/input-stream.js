/** The input of a call that comes item by item: an async iterator that grants credit as it is read. */

import { Fault } from "../fault.js";
import { decodeBody } from "../values/body.js";
import { Malformed } from "../values/json.js";

/** @typedef {import("../wire/frame.js").Frame} Frame */

/** @implements {AsyncIterableIterator<any>} */
export class InputStream {
  /**
   * @param {string} property
   * @param {import("./contract.js").Binding["readItem"]} read
   * @param {(bytes: number) => void} used counts an item as used up
   */
  constructor(property, read, used) {
    this.property = property;
    this.read = read;
    this.used = used;
    this.count = 0;
    this.ended = false;
    /** @type {unknown} */
    this.fault = null;
    /** @type {{value: any, bytes: number}[]} */
    this.items = [];
    /** @type {{resolve: (step: IteratorResult<any>) => void, reject: (fault: unknown) => void}[]} */
    this.waiters = [];
  }

  /** @param {Frame} frame @param {Buffer} body @param {number} bytes */
  take(frame, body, bytes) {
    if (this.ended) return;
    const path = `/${this.property}/${this.count++}`;
    let value;
    try {
      value = decodeBody(body, frame.codec & 15, frame.owned);
      if (this.read) value = this.read(value, path);
    } catch (error) {
      const fault = error instanceof Malformed ? malformed(error, path) : error;
      this.end(fault);
      return;
    }
    const waiter = this.waiters.shift();
    if (waiter) {
      this.used(bytes);
      waiter.resolve({ value, done: false });
    } else this.items.push({ value, bytes });
  }

  /** No more will come: it has ended, or the call has, for a reason. @param {unknown} [fault] */
  end(fault = null) {
    if (this.ended) return;
    this.ended = true;
    this.fault = fault;
    for (const waiter of this.waiters.splice(0)) {
      if (fault === null) waiter.resolve({ value: undefined, done: true });
      else waiter.reject(fault);
    }
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  /** @returns {Promise<IteratorResult<any>>} */
  next() {
    const item = this.items.shift();
    if (item) {
      this.used(item.bytes);
      return Promise.resolve({ value: item.value, done: false });
    }
    if (this.fault !== null) return Promise.reject(this.fault);
    if (this.ended) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => this.waiters.push({ resolve, reject }));
  }

  /** @returns {Promise<IteratorResult<any>>} */
  return() {
    this.items = [];
    this.end();
    return Promise.resolve({ value: undefined, done: true });
  }
}

/** @param {Malformed} error @param {string} path */
function malformed(error, path) {
  return new Fault("INVALID_ARGUMENT", `item ${path} cannot be read: ${error.message}`, {
    started: "yes",
    errors: [{ path: path + error.path, message: error.message }],
  });
}

/** The items of an array as a stream, for a caller that sent them all at once. @param {Iterable<any>} items */
export async function* streamed(items) {
  yield* items;
}
