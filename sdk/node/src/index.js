/** The public face of the package: faults and the words for functions, clients, and hosts for one program. */

export { Fault } from "./fault.js";
