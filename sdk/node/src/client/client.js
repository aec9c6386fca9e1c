/**
 * A client: calls on one multiplexed connection, which is made anew when it is lost.
 *
 * A call that was under way when that happened fails, since nobody knows how far it came; one that had not begun (the
 * host was draining) is made again.
 */

import { setTimeout as wait } from "node:timers/promises";
import { Fault } from "../fault.js";
import { replyCodec } from "../wire/caller.js";
import { parseTrace } from "../wire/meta.js";
import { parseAddress } from "./address.js";
import { Link } from "./link.js";

/** @typedef {import("../index.js").ClientOptions} ClientOptions */
/** @typedef {import("../index.js").ClientCallOptions} ClientCallOptions */
/** @typedef {import("../wire/caller.js").Wish} Wish */

const CONNECT_MS = 5000;
/** The first pause between two attempts to connect; it doubles, with jitter, up to the last. */
const PAUSE_MS = 20;
const PAUSE_MS_MAX = 2000;
/** How long `close` waits for calls that are in flight. */
const GRACE_MS = 5000;
/** Another attempt would end the same way. */
const FINAL = new Set(["PERMISSION_DENIED", "UNAUTHENTICATED", "FAILED_PRECONDITION", "INTERNAL"]);
/** So would one with a host that is not who it should be: codes of errors in certificates and in TLS itself. */
const UNTRUSTED = /CERT|VERIFY|^ERR_(?:TLS|SSL)/;
const TIMER_MS_MAX = 2 ** 31 - 1;

export class NativeClient {
  /** @param {string} url @param {ClientOptions} options */
  constructor(url, options) {
    this.address = parseAddress(url);
    this.url = url;
    this.options = options;
    this.service = "";
    this.closed = false;
    /** @type {Link | null} */
    this.link = null;
    /** @type {Promise<Link> | null} */
    this.linking = null;
    /** Links that finish what is in flight. @type {Set<Link>} */
    this.resting = new Set();
  }

  /**
   * @param {string} name
   * @param {unknown} [input]
   * @param {ClientCallOptions} [options]
   * @returns {Promise<any>}
   */
  async call(name, input, options = {}) {
    const wish = this.wish(options);
    const link = this.usable() ?? (await this.linked(wish));
    try {
      return await link.caller.call(name, input, wish);
    } catch (error) {
      if (!crossed(error, link)) throw error;
      return (await this.linked(wish)).caller.call(name, input, wish);
    }
  }

  /**
   * @param {string} name
   * @param {unknown} [input]
   * @param {ClientCallOptions} [options]
   * @returns {AsyncIterableIterator<any>}
   */
  stream(name, input, options = {}) {
    const wish = this.wish(options);
    const link = this.usable();
    return link ? link.caller.stream(name, input, wish) : this.later(name, input, wish);
  }

  /** A stream on a connection that must be made first. @param {string} name @param {unknown} input @param {Wish} wish */
  async *later(name, input, wish) {
    const link = await this.linked(wish);
    yield* link.caller.stream(name, input, wish);
  }

  /** @returns {Promise<{service: string, functions: any[]}>} */
  functions() {
    return this.call("dragoman.functions", {});
  }

  /** @param {number} [grace] ms */
  async close(grace = GRACE_MS) {
    if (this.closed) return;
    this.closed = true;
    const links = [...this.resting, ...(this.link ? [this.link] : [])];
    await Promise.all(links.map((link) => finish(link, grace)));
  }

  async [Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]() {
    await this.close();
  }

  /** @param {ClientCallOptions} options @returns {Wish} */
  wish({
    timeout = Infinity,
    signal,
    reply = "msgpack",
    trace = this.options.trace ?? "",
    traceState = "",
    callId = "",
  }) {
    return {
      deadline: performance.now() + timeout,
      signal,
      reply: replyCodec(reply),
      trace: parseTrace(trace, traceState),
      callId,
      depth: 0,
    };
  }

  usable() {
    const { link } = this;
    return link && link.open && !link.draining && !this.closed ? link : null;
  }

  /** The connection, as soon as there is one. @param {Wish} wish @returns {Promise<Link>} */
  async linked(wish) {
    const link = this.usable();
    if (link) return link;
    if (this.closed) throw new Fault("UNAVAILABLE", "the client is closed", { started: "no" });
    if (!this.linking) {
      this.linking = this.connect().finally(() => (this.linking = null));
      this.linking.catch(() => {}); // whoever waits for it is told; perhaps nobody does any more
    }
    const { linking } = this;
    const left = wish.deadline - performance.now();
    if (left === Infinity && !wish.signal) return linking;
    return within(linking, left, wish.signal);
  }

  /** Connect, again and again for a while. @returns {Promise<Link>} */
  async connect() {
    const ends = performance.now() + (this.options.connectTimeout ?? CONNECT_MS);
    for (let pause = PAUSE_MS; ; pause = Math.min(2 * pause, PAUSE_MS_MAX)) {
      try {
        return await this.attempt(ends - performance.now());
      } catch (error) {
        const fault = /** @type {Fault} */ (error);
        const left = ends - performance.now();
        const untrusted = UNTRUSTED.test(String(/** @type {any} */ (fault.cause)?.code ?? ""));
        if (FINAL.has(fault.code) || untrusted || left <= pause || this.closed) throw fault;
      }
      await wait(pause * (0.5 + Math.random() / 2));
    }
  }

  /** @param {number} left ms @returns {Promise<Link>} */
  async attempt(left) {
    const link = new Link(this.address, this.options.token ?? "", this.options.tls ?? {}, () => this.ended(link));
    try {
      await within(link.ready, left);
    } catch (error) {
      const fault = /** @type {Fault} */ (error);
      link.line.lose(fault);
      throw new Fault(fault.code, `${this.url}: ${fault.detail}`, { started: "no", cause: fault.cause });
    }
    if (this.closed) {
      link.leave();
      throw new Fault("UNAVAILABLE", "the client is closed", { started: "no" });
    }
    this.link = link;
    this.service = link.service;
    return link;
  }

  /** No more calls can be made on a link. @param {Link} link */
  ended(link) {
    if (this.link === link) this.link = null;
    if (link.line.dead) this.resting.delete(link);
    else this.resting.add(link);
  }
}

/** Wait for what is in flight on a link, then leave. @param {Link} link @param {number} grace ms */
async function finish(link, grace) {
  link.draining = true;
  if (link.caller.live.size && grace > 0) {
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.min(grace, TIMER_MS_MAX));
      link.gone = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
  }
  link.leave();
}

/** Whether a call met a host that was leaving, and has not begun. @param {unknown} error @param {Link} link */
function crossed(error, link) {
  return (
    error instanceof Fault && error.code === "UNAVAILABLE" && error.started === "no" && (link.draining || !link.open)
  );
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @param {number} left ms
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>}
 */
function within(promise, left, signal) {
  return new Promise((resolve, reject) => {
    const late = () => reject(new Fault("DEADLINE_EXCEEDED", "there was no connection in time", { started: "no" }));
    const gone = () =>
      reject(new Fault("CANCELLED", "the caller gave the call up", { started: "no", cause: signal?.reason }));
    const timer = left < TIMER_MS_MAX ? setTimeout(late, Math.max(left, 0)) : undefined;
    const settled = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", gone);
    };
    signal?.addEventListener("abort", gone, { once: true });
    if (signal?.aborted) gone();
    promise.then(resolve, reject).then(settled);
  });
}

/** @param {string} url @param {ClientOptions} [options] */
export async function connect(url, options = {}) {
  const client = new NativeClient(url, options);
  await client.linked(client.wish({}));
  return client;
}
