/** A host's native ingress with a few functions, played from the specification. */

import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Fault } from "../src/fault.js";
import { decodeBody, encodeBody } from "../src/values/body.js";
import { Kind } from "../src/wire/frame.js";
import { loadHello } from "../src/wire/handshake.js";
import { Line } from "../src/wire/line.js";
import { decodeMeta } from "../src/wire/meta.js";

export const HELLO = {
  host: "fake/1",
  versions: [1, 1],
  service: "shop",
  features: ["input"],
  limits: { credit_bytes: 1000, calls_max: 64, frame_bytes_max: 1 << 20 },
};

/** Serves until it is closed. `seen` are the CALLs, with what came with them. */
export class FakeHost {
  constructor(hello = HELLO) {
    this.hello = hello;
    this.folder = mkdtempSync(join(tmpdir(), "fake-host-"));
    this.path = join(this.folder, "sock");
    this.url = `unix://${this.path}`;
    this.lines = new Set();
    this.connections = 0;
    this.seen = [];
    this.cancelled = [];
    this.waiting = [];
    this.refusal = null;
    this.token = "";
    this.changed = () => {};
  }

  async open() {
    this.server = createServer((socket) => this.accept(socket));
    await new Promise((resolve) => this.server.listen(this.path, resolve));
    return this;
  }

  async close() {
    for (const line of this.lines) line.socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Wait until something holds; asked whenever a frame has come or a connection has gone. */
  async until(holds) {
    while (!holds()) await new Promise((resolve) => (this.changed = resolve));
  }

  accept(socket) {
    this.connections++;
    const line = new Line("gate", null, {
      frames: (frames) => frames.forEach((frame) => this.act(line, frame)),
      lost: () => {
        this.lines.delete(line);
        this.changed();
      },
    });
    this.lines.add(line);
    line.use(socket);
    const body = Buffer.from(JSON.stringify(this.hello));
    line.connection.hello = loadHello(body);
    line.connection.limits = line.connection.hello.limits;
    line.connection._move("HELLO");
    line.out.put(Kind.HELLO, 0, 1, 0, 0, 0, Buffer.alloc(0), body);
    if (this.refusal) line.connection.fail(this.refusal);
    line.flush();
  }

  act(line, frame) {
    const { connection } = line;
    if (connection.phase === "left") return;
    if (frame.kind === Kind.READY && connection.ready.token !== this.token) {
      connection.fail(new Fault("UNAUTHENTICATED", "wrong token", { started: "no" }));
    } else if (frame.kind === Kind.CALL) this.call(line, frame);
    else if (frame.kind === Kind.CANCEL) {
      this.cancelled.push(frame.about.name);
      connection.fault(frame.about, new Fault("CANCELLED", "as asked", { started: "yes" }));
    } else if (frame.kind === Kind.ITEM || (frame.kind === Kind.END && frame.about)) this.input(line, frame);
    else if (frame.kind === Kind.CREDIT) this.pour(line, frame.about);
    else if (frame.kind === Kind.BYE) line.lose(new Error("bye"));
    if (!line.dead) line.flush();
    this.changed();
  }

  call(line, frame) {
    const { connection } = line;
    const taken = frame.about;
    const meta = decodeMeta(frame.meta);
    taken.name = meta.function;
    taken.items = [];
    taken.codec = frame.codec >> 4;
    const input = decodeBody(frame.body, frame.codec & 15, false);
    this.seen.push({ meta, input, amount: frame.amount, flags: frame.flags, codec: frame.codec });
    if (this.draining) {
      connection.fault(taken, new Fault("UNAVAILABLE", "draining", { started: "no" }));
      return;
    }
    const run = this[`on_${meta.function.replace(".", "_")}`];
    if (run) run.call(this, line, taken, input, frame);
    else connection.fault(taken, new Fault("NOT_FOUND", `no ${meta.function}`, { started: "no" }));
  }

  end(line, taken, value) {
    const { codec, body } = encodeBody(value, taken.codec);
    line.connection.end(taken, codec, body, 1);
  }

  on_echo(line, taken, input) {
    this.end(line, taken, input.value);
  }

  on_fail(line, taken, input) {
    line.connection.fault(
      taken,
      new Fault(input.code, "as asked", { started: "yes", errors: [{ path: "/a", message: "b" }], retryAfter: 2 }),
    );
  }

  on_hang(line, taken) {
    this.waiting.push(() => this.end(line, taken, "released") ?? line.flush());
  }

  on_drop(line) {
    line.socket.destroy();
  }

  /** Streams texts of 300 bytes, as credit allows. */
  on_count(line, taken, { to }) {
    for (let at = 0; at < to; at++) taken.items.push(at);
    this.pour(line, taken);
  }

  pour(line, taken) {
    while (taken.items.length && taken.sending.credit > 0) {
      const { codec, body } = encodeBody(`${taken.items.shift()}`.padEnd(300), 2);
      line.connection.item(taken.key, taken.sending, codec, body);
      this.deepest = Math.max(this.deepest ?? 0, taken.sending.sent - taken.sending.granted);
    }
    if (!taken.items.length) line.connection.end(taken, 2, "", 1);
  }

  on_sum() {}

  on_double() {}

  input(line, frame) {
    const taken = frame.about;
    if (frame.kind === Kind.END) {
      if (taken.name === "sum")
        this.end(
          line,
          taken,
          taken.items.reduce((a, b) => a + b, 0),
        );
      else line.connection.end(taken, 0, "", 1);
      return;
    }
    const value = decodeBody(frame.body, frame.codec & 15, false);
    const due = taken.input.consume(frame.body.length);
    if (due) line.connection.credit(taken.key, taken.input, due);
    if (taken.name === "sum") taken.items.push(value);
    else line.connection.item(taken.key, taken.sending, 1, String(2 * value));
  }
}
