/** The calls in flight on one connection, with the credit of their streams (SPEC §6, §7). */

import { HEADER_BYTES } from "./frame.js";
import { CREDIT_BYTES_MAX } from "./handshake.js";
import { ProtocolFault } from "./protocol-fault.js";

/** @typedef {import("./frame.js").Key} Key */

/** The sending end of one stream. Credit is `granted - sent`, and may be below zero by one item. */
export class Sending {
  /** @param {number} window */
  constructor(window) {
    this.granted = window;
    this.sent = 0;
    this.items = 0;
    /** For an input: whether its END has been sent, or it can no longer be. */
    this.closed = false;
  }

  get credit() {
    return this.granted - this.sent;
  }

  /** @param {number} bytes */
  spend(bytes) {
    this.sent += HEADER_BYTES + bytes;
    this.items++;
  }

  /** @param {number} amount */
  grant(amount) {
    if (!amount) throw new ProtocolFault("credit", "a CREDIT of nothing");
    if (this.credit + amount > CREDIT_BYTES_MAX) {
      throw new ProtocolFault("credit", `a CREDIT of ${amount} takes the stream past ${CREDIT_BYTES_MAX}`);
    }
    this.granted += amount;
  }
}

/** The reading end of one stream: checks that the sender keeps to its credit, and says when to grant more. */
export class Reading {
  /** @param {number} window */
  constructor(window) {
    this.window = window;
    this.granted = window;
    this.received = 0;
    this.consumed = 0;
    this.items = 0;
    /** For an input: whether no more of it may come. */
    this.closed = false;
  }

  /** @param {number} bytes */
  take(bytes) {
    if (this.received >= this.granted) throw new ProtocolFault("credit", "an ITEM without credit");
    this.received += HEADER_BYTES + bytes;
    this.items++;
  }

  /** Count an item as used up; the bytes to grant now: 0 until half the window is free. @param {number} bytes */
  consume(bytes) {
    this.consumed += HEADER_BYTES + bytes;
    const due = this.consumed + this.window - this.granted;
    return due * 2 >= this.window ? due : 0;
  }
}

/** A call that this side made. */
export class Made {
  /** @param {Key} key @param {Reading | null} reading @param {Sending | null} input */
  constructor(key, reading, input) {
    this.key = key;
    this.reading = reading;
    this.input = input;
    this.revoking = false;
    this.cancelling = false;
    /** An item of its reply was corrupt: what comes is dropped. */
    this.spoiled = false;
    /** Whoever waits for the reply. @type {any} */
    this.owner = null;
  }
}

/** A call that this side took. */
export class Taken {
  /** @param {Key} key @param {Sending | null} sending @param {Reading | null} input */
  constructor(key, sending, input) {
    this.key = key;
    this.sending = sending;
    this.input = input;
    this.revoked = false;
    this.cancelled = false;
    /** A part of its input was corrupt: its answer is DATA_LOSS, whatever the function made of it. */
    this.spoiled = false;
    /** Whoever runs it. @type {any} */
    this.owner = null;
  }
}
