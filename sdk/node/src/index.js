/** The public face of the package: faults, contracts, clients, and hosts for one program. */

export { connect } from "./client/client.js";
export { open } from "./client/open.js";
export { define } from "./define.js";
export { Fault } from "./fault.js";
