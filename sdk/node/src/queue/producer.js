/**
 * Sends messages to Redis Streams, from which hosts of Dragoman make calls: the way in that needs no host to be there.
 *
 * It speaks with Redis or Valkey itself. Messages leave as they come, without waiting for the answers to those before;
 * the server answers in order.
 */

import net from "node:net";
import tls from "node:tls";
import { Fault } from "../fault.js";
import { Unsayable } from "../values/walk.js";
import { writeJson } from "../values/json.js";

/** @typedef {import("./index.js").ProducerOptions} ProducerOptions */
/** @typedef {import("./index.js").Message} Message */
/** @typedef {{resolve: (id: string) => void, reject: (fault: Fault) => void}} Waiting */
/** @typedef {{host: string, port: number, path: string, secure: boolean, login: string[], database: string}} Place */

/** How long a server may take for one answer. */
const PATIENCE_MS = 10_000;
/** Messages that wait for their answers; whoever sends more than that does not look at what becomes of them. */
const WAITING_MAX = 100_000;
/** Messages that are sent ahead of their answers where many are sent at once. */
const BATCH = 1000;
/** What Redis takes, unless its owner says otherwise. */
const BODY_BYTES_MAX = 512 * 1024 * 1024;
/** An answer is an id of 40 bytes, or an error of a sentence. */
const LINE_BYTES_MAX = 64 * 1024;
const DATABASE = /^\d{1,9}$/;
const NAME = /^[!-@[-~]+$/;
const SCHEMES = "use redis://host:6379, rediss://host:6379 or unix:///path";
/** @type {Record<string, import("../index.js").Code>} */
const CODES = {
  NOAUTH: "UNAUTHENTICATED",
  WRONGPASS: "UNAUTHENTICATED",
  NOPERM: "PERMISSION_DENIED",
  OOM: "RESOURCE_EXHAUSTED",
  BUSY: "UNAVAILABLE",
  LOADING: "UNAVAILABLE",
  MISCONF: "UNAVAILABLE",
  NOREPLICAS: "UNAVAILABLE",
  READONLY: "UNAVAILABLE",
  CLUSTERDOWN: "UNAVAILABLE",
  MASTERDOWN: "UNAVAILABLE",
  TRYAGAIN: "UNAVAILABLE",
};

/** @param {string} url @param {ProducerOptions} [options] @returns {Promise<Producer>} */
export async function produce(url, options = {}) {
  const producer = new Producer(url, options);
  await producer.linked();
  return producer;
}

/** One connection to a server, made anew when it is lost. */
export class Producer {
  /** @param {string} url @param {ProducerOptions} options */
  constructor(url, options) {
    this.place = parse(url);
    this.options = options;
    this.closed = false;
    /** @type {Link | null} */
    this.link = null;
    /** @type {Promise<Link> | null} */
    this.linking = null;
  }

  /** @param {string} stream @param {unknown} [input] @param {{headers?: Record<string, string>}} [more] */
  async send(stream, input, { headers = {} } = {}) {
    const command = this.command(stream, input, headers);
    return (await this.linked()).ask(command);
  }

  /** @param {string} stream @param {readonly Message[]} messages @returns {Promise<string[]>} */
  async sendAll(stream, messages) {
    const commands = messages.map(({ input, headers = {} }) => this.command(stream, input, headers));
    const link = await this.linked();
    /** @type {PromiseSettledResult<string>[]} */
    const answers = [];
    for (let start = 0; start < commands.length; start += BATCH) {
      const some = commands.slice(start, start + BATCH);
      answers.push(...(await Promise.allSettled(some.map((command) => link.ask(command)))));
    }
    const ids = answers.map((answer) => (answer.status === "fulfilled" ? answer.value : ""));
    const failed = answers.find((answer) => answer.status === "rejected");
    if (failed) throw Object.assign(failed.reason, { ids });
    return ids;
  }

  async close() {
    this.closed = true;
    const link = this.link ?? (await this.linking?.catch(() => null));
    await link?.end();
  }

  async [Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose")]() {
    await this.close();
  }

  /** @returns {Promise<Link>} */
  async linked() {
    if (this.closed) throw refuse("CANCELLED", "the producer is closed");
    if (this.link?.open) return this.link;
    this.linking ??= this.connect().finally(() => (this.linking = null));
    return this.linking;
  }

  async connect() {
    const link = new Link(this.place, this.options);
    try {
      await link.begin();
    } catch (fault) {
      link.lose("the server let nobody in"); // else its socket would hold the program
      throw fault;
    }
    if (this.closed) {
      link.lose("the producer is closed");
      throw refuse("CANCELLED", "the producer is closed");
    }
    return (this.link = link);
  }

  /** @param {string} stream @param {unknown} input @param {Record<string, string>} headers @returns {Buffer} */
  command(stream, input, headers) {
    if (!stream) throw refuse("INVALID_ARGUMENT", "the stream has no name");
    const raw = input instanceof Uint8Array;
    const body = raw ? input : json(input);
    if (body.length > BODY_BYTES_MAX) {
      throw refuse("OUT_OF_RANGE", `the body has ${body.length} bytes, where ${BODY_BYTES_MAX} is the most`);
    }
    const said = raw ? { "content-type": "application/octet-stream", ...headers } : headers;
    const names = Object.keys(said).sort();
    for (const name of names) {
      if (!NAME.test(name) || name === "body") {
        const rule = "use lower case, printable, and not body";
        throw refuse("INVALID_ARGUMENT", `${JSON.stringify(name)} cannot be the name of a header: ${rule}`);
      }
      if (typeof said[name] !== "string") throw refuse("INVALID_ARGUMENT", `the header ${name} is no string`);
    }
    const whole = said["ce-specversion"] === "1.0" && said["ce-id"] && said["ce-source"] && said["ce-type"];
    if (!whole && names.some((name) => name.startsWith("ce-"))) {
      throw refuse("INVALID_ARGUMENT", "an event has ce-specversion 1.0, ce-id, ce-source and ce-type");
    }
    const { keep } = this.options;
    const words = ["XADD", stream, ...(keep ? ["MAXLEN", "~", `${keep}`] : []), "*", "body"];
    return packed(
      words,
      body,
      names.flatMap((name) => [name, said[name]]),
    );
  }
}

/** One connection. */
class Link {
  /** @param {Place} place @param {ProducerOptions} options */
  constructor(place, options) {
    this.place = place;
    this.at = place.path || `${place.host}:${place.port}`;
    this.open = false;
    this.greeted = false;
    /** @type {Waiting[]} */
    this.waiting = [];
    this.answered = 0;
    this.text = "";
    const { host, port, path } = place;
    this.socket = place.secure
      ? tls.connect({ host, port, servername: net.isIP(host) ? "" : host, ...options.tls })
      : net.connect(path ? { path } : { host, port });
    this.socket.setNoDelay?.(true);
    this.socket.on("data", (data) => this.hear(data));
    // Where several addresses were tried, the error has no message.
    this.socket.on("error", (/** @type {NodeJS.ErrnoException} */ error) =>
      this.lose(error.message || `${error.code}`),
    );
    this.socket.on("close", () => this.lose("the connection was lost"));
    /** Runs while something is waited for. @type {NodeJS.Timeout | null} */
    this.timer = null;
    this.open = true;
  }

  async begin() {
    const { login, database } = this.place;
    const greetings = [login.length ? login : ["PING"]];
    if (database && database !== "0") greetings.push(["SELECT", database]);
    await Promise.all(greetings.map((words) => this.ask(packed(words.slice(0, -1), words[words.length - 1]))));
    this.greeted = true;
  }

  /** @param {Buffer} command @returns {Promise<string>} */
  ask(command) {
    if (!this.open) return Promise.reject(refuse("UNAVAILABLE", `${this.at}: the connection was lost`));
    if (this.waiting.length - this.answered >= WAITING_MAX) {
      const detail = `${WAITING_MAX} messages wait for their answers already: wait for some before you send more`;
      return Promise.reject(refuse("RESOURCE_EXHAUSTED", detail));
    }
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.socket.write(command);
      this.timer ??= setTimeout(() => this.giveUp(), PATIENCE_MS);
    });
  }

  /** @param {Buffer} data */
  hear(data) {
    this.text += data.toString("latin1");
    for (;;) {
      const end = this.text.indexOf("\r\n");
      if (end < 0) break;
      const line = this.text.slice(0, end);
      if (line[0] !== "$") {
        this.text = this.text.slice(end + 2);
        if (!this.settle(line)) return;
        continue;
      }
      const size = /^\$\d{1,5}$/.test(line) ? Number(line.slice(1)) : -1;
      if (size < 0) return this.lose(strange(line));
      if (this.text.length < end + 4 + size) break;
      const word = this.text.slice(end + 2, end + 2 + size);
      this.text = this.text.slice(end + 4 + size);
      if (!this.settle(`+${word}`)) return;
    }
    if (this.text.length > LINE_BYTES_MAX) this.lose(strange(this.text));
  }

  /** @param {string} line */
  settle(line) {
    const waiting = this.waiting[this.answered];
    const kind = line[0];
    if (!waiting || (kind !== "+" && kind !== "-" && kind !== ":")) {
      this.lose(strange(line));
      return false;
    }
    if (++this.answered === this.waiting.length || this.answered > 1000) {
      this.waiting.splice(0, this.answered);
      this.answered = 0;
    }
    if (this.timer) this.timer.refresh();
    if (!this.waiting.length && this.timer) {
      clearTimeout(this.timer);
      this.timer = null;
    }
    if (kind !== "-") waiting.resolve(line.slice(1));
    else
      waiting.reject(
        refuse(CODES[line.slice(1).split(" ", 1)[0]] ?? "FAILED_PRECONDITION", `${this.at}: ${line.slice(1)}`),
      );
    return true;
  }

  /** The server takes too long. */
  giveUp() {
    this.lose(`no answer within ${PATIENCE_MS / 1000}s`, "DEADLINE_EXCEEDED");
  }

  /** @param {string} why @param {import("../index.js").Code} [code] */
  lose(why, code = "UNAVAILABLE") {
    if (!this.open) return;
    this.open = false;
    if (this.timer) clearTimeout(this.timer);
    this.socket.destroy();
    const started = this.greeted ? "unknown" : "no";
    const detail = `${this.at}: ${why}${this.greeted ? "; it may be stored" : ""}`;
    for (const { reject } of this.waiting.splice(this.answered)) reject(new Fault(code, detail, { started }));
  }

  /** Leave when all is answered. */
  async end() {
    if (!this.open) return;
    await Promise.allSettled([this.ask(packed([], "PING"))]);
    this.lose("the producer is closed");
  }
}

/** @param {string} url @returns {Place} */
function parse(url) {
  let parts;
  try {
    parts = new URL(url);
  } catch {
    throw refuse("INVALID_ARGUMENT", `not the address of a server: ${SCHEMES}`);
  }
  const scheme = parts.protocol.slice(0, -1);
  if (!["redis", "rediss", "unix"].includes(scheme)) {
    throw refuse("INVALID_ARGUMENT", `${JSON.stringify(scheme)} is no scheme of a server: ${SCHEMES}`);
  }
  const unix = scheme === "unix";
  const database = unix ? (parts.searchParams.get("db") ?? "") : parts.pathname.replace(/^\/|\/$/g, "");
  if (database && !DATABASE.test(database)) {
    throw refuse("INVALID_ARGUMENT", `${JSON.stringify(database)} is no number of a database`);
  }
  const user = decoded(parts.username);
  const password = decoded(parts.password);
  const path = unix ? decoded(parts.pathname) : "";
  if (unix && !path) throw refuse("INVALID_ARGUMENT", "not the address of a server: unix:// needs a path");
  return {
    host: parts.hostname.replace(/^\[|\]$/g, "") || "localhost",
    port: Number(parts.port || 6379),
    path,
    secure: scheme === "rediss",
    login: password ? ["AUTH", ...(user ? [user] : []), password] : [],
    database,
  };
}

/** What a part of an address says. @param {string} part */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    throw refuse("INVALID_ARGUMENT", "not the address of a server: what follows a % is no byte of UTF-8");
  }
}

/** @param {unknown} input @returns {Buffer} */
function json(input) {
  if (input === undefined) return Buffer.from("{}");
  try {
    return Buffer.from(writeJson(input));
  } catch (error) {
    if (!(error instanceof Unsayable)) throw error;
    throw refuse("INVALID_ARGUMENT", `the input cannot be said in JSON: ${error.message}`);
  }
}

/**
 * One command as the server reads it.
 *
 * @param {string[]} words @param {string | Uint8Array} last @param {string[]} [rest] @returns {Buffer}
 */
function packed(words, last, rest = []) {
  const body = typeof last === "string" ? Buffer.from(last) : last;
  const word = (/** @type {string} */ text) => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
  const head = `*${words.length + 1 + rest.length}\r\n${words.map(word).join("")}$${body.length}\r\n`;
  return Buffer.concat([Buffer.from(head), body, Buffer.from(`\r\n${rest.map(word).join("")}`)]);
}

/** @param {string} line */
function strange(line) {
  return `what answers there is no Redis: ${JSON.stringify(line.slice(0, 40))}`;
}

/** @param {import("../index.js").Code} code @param {string} detail */
function refuse(code, detail) {
  return new Fault(code, detail, { started: "no" });
}
