/** What goes wrong on a wire: the peer broke the protocol, or this side tried to. */

/** The peer broke the protocol (SPEC §12): the connection is dead. `frames` are the good ones that came before. */
export class ProtocolFault extends Error {
  /**
   * @param {string} reason one of the closed set of SPEC §12
   * @param {string} detail
   */
  constructor(reason, detail) {
    super(`${reason}: ${detail}`);
    this.name = "ProtocolFault";
    this.reason = reason;
    this.detail = detail;
    /** The code that its peer is told. @type {import("../fault.js").Code} */
    this.code = "INTERNAL";
    /** @type {import("./frame.js").Frame[]} */
    this.frames = [];
  }
}

/** A frame of this side's that its peer would refuse: a mistake of this side. Nothing was sent. */
export class IllegalFrame extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = "IllegalFrame";
  }
}

/** A body of this side's that is past what the peer accepts. Nothing was sent, and no state has changed. */
export class Oversized extends IllegalFrame {}
