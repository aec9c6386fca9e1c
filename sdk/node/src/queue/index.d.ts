/** Messages to Redis Streams, from which hosts of Dragoman make calls. */

import type { ConnectionOptions } from "node:tls";

export interface ProducerOptions {
  /** How the server of `rediss://` is trusted; what Node trusts, unless said otherwise. */
  tls?: ConnectionOptions;
  /**
   * A stream keeps about so many messages, the latest. Without it streams grow until somebody trims them: a queue of a
   * project does so with `trim = "handled"`.
   */
  keep?: number;
}

export interface Message {
  /** An input, as functions take it: written as JSON. Bytes go as they are. */
  input?: unknown;
  /** `correlation-id`, `traceparent`, `dragoman-deadline` and the like. */
  headers?: Record<string, string>;
}

/** Sends messages over one connection, which is made anew when it is lost. */
export interface Producer {
  /**
   * Adds one message to a stream, and gives its id. A Fault whose `started` is `unknown` may have come after the message
   * was stored.
   */
  send(stream: string, input?: unknown, more?: { headers?: Record<string, string> }): Promise<string>;
  /**
   * Adds messages in their order, without waiting for each, and gives their ids. Where some could not be added, the Fault
   * of the first is thrown, with the ids of all as `ids`, empty for those.
   */
  sendAll(stream: string, messages: readonly Message[]): Promise<string[]>;
  /** Waits for what was sent, and ends the connection. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Connect to a server: `redis://user:password@host:6379/0`, `rediss://` with TLS, or `unix:///run/valkey.sock`. */
export function produce(url: string, options?: ProducerOptions): Promise<Producer>;
