/** Messages to Redis Streams, from which hosts of Dragoman make calls. */

export { produce } from "./producer.js";
