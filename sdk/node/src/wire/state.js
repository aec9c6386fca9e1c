/**
 * The connection's states as tables: what a side may send and receive in each, and where that leads (SPEC §13).
 *
 * A table is `phase -> "send" | "receive" -> step -> next phase`. A step is a frame's kind, with CANCEL and FAULT told
 * apart by what they mean.
 */

import { Flag, Kind, KIND_NAMES } from "./frame.js";

/** @typedef {"host" | "guest" | "client" | "gate"} Role a gate is the host's side of a client */
/** @typedef {Record<string, string>} Moves */
/** @typedef {Record<string, {send: Moves, receive: Moves}>} Table */

/** @param {string} phase @param {string[]} steps @returns {Moves} */
const stay = (phase, ...steps) => Object.fromEntries(steps.map((step) => [step, phase]));

const REPLIES = ["ITEM", "END", "FAULT", "RETURN"];
const BOTH = ["ITEM", "END", "CREDIT", "PING", "PONG", "RELEASE"];
const HOST_SAYS = [...BOTH, ...REPLIES, "CANCEL", "REVOKE"];
const GUEST_SAYS = [...BOTH, ...REPLIES, "CANCEL", "EVENT"];
const FROM_GUEST = ["CALL", ...GUEST_SAYS, "DRAIN"];
const FROM_HOST = ["CALL", ...HOST_SAYS, "DRAIN"];
const ENDS_RECEIVED = { BYE: "closed", FAILURE: "closed" };
const ENDS_SENT = { BYE: "left", FAILURE: "left" };
const CLOSED = { send: { BYE: "left" }, receive: {} };

/** @type {Table} */
const HOST = {
  start: { send: { HELLO: "greeting" }, receive: {} },
  greeting: { send: { FAILURE: "left" }, receive: { EVENT: "greeting", READY: "open", FAILURE: "closed" } },
  open: {
    send: { ...stay("open", "CALL", ...HOST_SAYS), DRAIN: "draining", ...ENDS_SENT },
    receive: { ...stay("open", "CALL", ...GUEST_SAYS), DRAIN: "refusing", FAILURE: "closed" },
  },
  refusing: {
    send: { ...stay("refusing", ...HOST_SAYS), DRAIN: "draining", ...ENDS_SENT },
    receive: { ...stay("refusing", ...FROM_GUEST), FAILURE: "closed" },
  },
  draining: {
    send: { ...stay("draining", ...HOST_SAYS, "DRAIN"), ...ENDS_SENT },
    receive: { ...stay("draining", ...FROM_GUEST), ...ENDS_RECEIVED },
  },
  left: { send: {}, receive: stay("left", "READY", ...FROM_GUEST, "BYE", "FAILURE") },
  closed: CLOSED,
};

/** @type {Table} */
const GUEST = {
  start: { send: {}, receive: { HELLO: "greeting" } },
  greeting: { send: { EVENT: "greeting", READY: "open", FAILURE: "left" }, receive: { FAILURE: "closed" } },
  open: {
    send: { ...stay("open", "CALL", ...GUEST_SAYS), DRAIN: "refusing", FAILURE: "left" },
    receive: { ...stay("open", "CALL", ...HOST_SAYS), DRAIN: "draining", ...ENDS_RECEIVED },
  },
  refusing: {
    send: { ...stay("refusing", "CALL", ...GUEST_SAYS), FAILURE: "left" },
    // A CALL may have crossed this side's DRAIN.
    receive: { ...stay("refusing", "CALL", ...HOST_SAYS), DRAIN: "draining", ...ENDS_RECEIVED },
  },
  draining: {
    send: { ...stay("draining", ...FROM_GUEST), ...ENDS_SENT },
    receive: { ...stay("draining", ...HOST_SAYS, "DRAIN"), ...ENDS_RECEIVED },
  },
  left: { send: {}, receive: stay("left", ...FROM_HOST, "BYE", "FAILURE") },
  closed: CLOSED,
};

const GATE_SAYS = ["ITEM", "END", "FAULT", "CREDIT", "PING", "PONG", "RELEASE"];
const CLIENT_SAYS = [...GATE_SAYS, "CANCEL"];

/** @type {Table} */
const GATE = {
  start: { send: { HELLO: "greeting" }, receive: {} },
  greeting: { send: { FAILURE: "left" }, receive: { READY: "open", FAILURE: "closed" } },
  open: {
    send: { ...stay("open", ...GATE_SAYS), DRAIN: "draining", ...ENDS_SENT },
    receive: { ...stay("open", "CALL", ...CLIENT_SAYS), ...ENDS_RECEIVED },
  },
  draining: {
    send: { ...stay("draining", ...GATE_SAYS, "DRAIN"), ...ENDS_SENT },
    receive: { ...stay("draining", "CALL", ...CLIENT_SAYS), ...ENDS_RECEIVED },
  },
  left: { send: {}, receive: stay("left", "READY", "CALL", ...CLIENT_SAYS, "BYE", "FAILURE") },
  closed: CLOSED,
};

/** @type {Table} */
const CLIENT = {
  start: { send: {}, receive: { HELLO: "greeting" } },
  greeting: { send: { READY: "open", FAILURE: "left" }, receive: { FAILURE: "closed" } },
  open: {
    send: { ...stay("open", "CALL", ...CLIENT_SAYS), ...ENDS_SENT },
    receive: { ...stay("open", ...GATE_SAYS), DRAIN: "draining", ...ENDS_RECEIVED },
  },
  draining: {
    send: { ...stay("draining", ...CLIENT_SAYS), ...ENDS_SENT },
    receive: { ...stay("draining", ...GATE_SAYS, "DRAIN"), ...ENDS_RECEIVED },
  },
  left: { send: {}, receive: stay("left", ...GATE_SAYS, "DRAIN", "BYE", "FAILURE") },
  closed: CLOSED,
};

/** @type {Record<Role, Table>} */
export const TABLES = { host: HOST, guest: GUEST, gate: GATE, client: CLIENT };

/** @param {number} kind @param {number} flags @param {boolean} connection whether it is about call 0 */
export function stepOf(kind, flags, connection) {
  if (kind === Kind.FAULT) return connection ? "FAILURE" : flags & Flag.UNSTARTED ? "RETURN" : "FAULT";
  if (kind === Kind.CANCEL && flags & Flag.UNSTARTED) return "REVOKE";
  return KIND_NAMES[kind];
}

/** @param {Role} role @param {string} step */
export function everReceives(role, step) {
  return Object.values(TABLES[role]).some((ways) => step in ways.receive);
}
