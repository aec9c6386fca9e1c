/** The client, against a host that is played from the specification. */

import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { createServer } from "node:net";
import { test } from "node:test";
import { connect, Fault, open } from "../src/index.js";
import { FakeHost, HELLO } from "./fake-host.js";

const failed = (code, started) => (error) =>
  error instanceof Fault && error.code === code && (!started || error.started === started);

async function hosted(run, hello, options) {
  const host = await new FakeHost(hello).open();
  const client = await connect(host.url, options);
  try {
    await run(client, host);
  } finally {
    await client.close(0);
    await host.close();
  }
}

async function* counted(to) {
  for (let at = 0; at < to; at++) yield at;
}

test("a call brings its value back, with what travels beside it", () =>
  hosted(async (client, host) => {
    assert.equal(client.service, "shop");
    const value = { big: 2n ** 63n, bytes: Buffer.from([0, 255]), nan: NaN, nothing: null, text: "e\u0301😀" };
    const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    assert.deepEqual(
      await client.call("echo", { value }, { timeout: 5000, trace, traceState: "a=1", callId: "mine" }),
      value,
    );
    const [{ meta, amount }] = host.seen;
    assert.ok(amount > 4000 && amount <= 5000, String(amount));
    assert.equal(meta.callId, "mine");
    assert.equal(meta.trace.traceId, "0af7651916cd43dd8448eb211c80319c");
    assert.equal(meta.trace.state, "a=1");
    assert.equal(await client.call("echo", { value: 1 }, { reply: "json" }), 1);
  }));

test("many calls share one connection, and each gets its own reply", () =>
  hosted(async (client, host) => {
    const values = Array.from({ length: 60 }, (_, at) => at);
    assert.deepEqual(await Promise.all(values.map((value) => client.call("echo", { value }))), values);
    assert.equal(host.connections, 1);
  }));

test("a fault has its code, its places, and whether it started", () =>
  hosted(async (client) => {
    const fault = await client.call("fail", { code: "RESOURCE_EXHAUSTED" }).catch((error) => error);
    assert.ok(failed("RESOURCE_EXHAUSTED", "yes")(fault));
    assert.deepEqual(fault.errors, [{ path: "/a", message: "b" }]);
    assert.equal(fault.retryAfter, 2);
    assert.equal(fault.function, "fail");
    assert.ok(fault.remote);
    await assert.rejects(client.call("nope"), failed("NOT_FOUND", "no"));
  }));

test("input that cannot be sent is a fault that names its place, and harms nothing", () =>
  hosted(async (client) => {
    const fault = await client.call("echo", { value: [() => 1] }).catch((error) => error);
    assert.ok(failed("INVALID_ARGUMENT", "no")(fault));
    assert.equal(fault.errors[0].path, "/value/0");
    await assert.rejects(client.call("echo", { value: "x".repeat(2 << 20) }), failed("RESOURCE_EXHAUSTED", "no"));
    await assert.rejects(client.call("\n"), failed("INVALID_ARGUMENT", "no"));
    assert.equal(await client.call("echo", { value: 1 }), 1);
  }));

test("a stream is read item by item, within its credit", () =>
  hosted(async (client, host) => {
    const found = [];
    for await (const item of client.stream("count", { to: 50 })) {
      found.push(Number(item));
    }
    assert.deepEqual(
      found,
      Array.from({ length: 50 }, (_, at) => at),
    );
    assert.ok(host.deepest < 400, "the host sent more than the client had granted");
  }));

test("a reader that stops gives the stream up", () =>
  hosted(async (client, host) => {
    for await (const item of client.stream("count", { to: 50 })) {
      assert.equal(item.trim(), "0");
      break;
    }
    await host.until(() => host.cancelled.length);
    assert.deepEqual(host.cancelled, ["count"]);
    assert.equal(await client.call("echo", { value: 2 }), 2);
  }));

test("one reply is a stream of one, and a fault ends a stream", () =>
  hosted(async (client) => {
    const found = [];
    for await (const item of client.stream("echo", { value: 7 })) found.push(item);
    assert.deepEqual(found, [7]);
    await assert.rejects(client.stream("nope").next(), failed("NOT_FOUND", "no"));
  }));

test("an async iterable in the input is sent item by item, and back", () =>
  hosted(async (client) => {
    assert.equal(await client.call("sum", { numbers: counted(500) }), 124750);
    assert.equal(await client.call("sum", { numbers: counted(0) }), 0);
    const found = [];
    for await (const item of client.stream("double", { numbers: counted(20) })) found.push(item);
    assert.deepEqual(
      found,
      Array.from({ length: 20 }, (_, at) => 2 * at),
    );
    const broken = (async function* () {
      yield 1;
      throw new RangeError("mine");
    })();
    await assert.rejects(client.call("sum", { numbers: broken }), /mine/);
  }));

test("a host that takes no input streams is not sent one", () =>
  hosted(async (client) => assert.rejects(client.call("sum", { numbers: counted(1) }), failed("UNIMPLEMENTED", "no")), {
    ...HELLO,
    features: [],
  }));

test("a call is given up by its signal and by its time", () =>
  hosted(async (client, host) => {
    const control = new AbortController();
    const call = client.call("hang", {}, { signal: control.signal });
    await host.until(() => host.seen.length);
    control.abort();
    await assert.rejects(call, failed("CANCELLED", "unknown"));
    await host.until(() => host.cancelled.length);
    await assert.rejects(client.call("hang", {}, { timeout: 30 }), failed("DEADLINE_EXCEEDED", "unknown"));
    await host.until(() => host.cancelled.length === 2);
    await assert.rejects(client.call("hang", {}, { signal: AbortSignal.abort() }), failed("CANCELLED", "no"));
    await assert.rejects(client.call("hang", {}, { timeout: 0 }), failed("DEADLINE_EXCEEDED", "no"));
  }));

test("a lost connection fails what was under way, and the next call makes another", () =>
  hosted(async (client, host) => {
    const hanging = client.call("hang");
    const streaming = client.stream("count", { to: 50 });
    await streaming.next();
    await Promise.all([
      assert.rejects(client.call("drop"), failed("UNAVAILABLE", "unknown")),
      assert.rejects(hanging, failed("UNAVAILABLE", "unknown")),
    ]);
    assert.equal(await client.call("echo", { value: 3 }), 3);
    assert.equal(host.connections, 2);
    await assert.rejects(
      async () => {
        for await (const _ of streaming);
      },
      failed("UNAVAILABLE", "unknown"),
    );
  }));

test("a host that drains finishes what is in flight, and new calls go to a new connection", () =>
  hosted(async (client, host) => {
    const hanging = client.call("hang");
    await host.until(() => host.waiting.length);
    const [first] = host.lines;
    first.connection.say("DRAIN");
    first.flush();
    host.draining = true;
    const crossing = client.call("echo", { value: 4 });
    await host.until(() => host.seen.length === 2);
    host.draining = false;
    assert.equal(await crossing, 4);
    assert.equal(host.connections, 2);
    host.waiting[0]();
    assert.equal(await hanging, "released");
    await host.until(() => first.dead);
  }));

test("a host that is not there is waited for, and then a fault", async () => {
  const late = new FakeHost();
  const client = connect(late.url);
  await late.open();
  await (await client).close();
  await late.close();
  await assert.rejects(connect(late.url, { connectTimeout: 50 }), failed("UNAVAILABLE", "no"));
});

test("a refusal at the door is told at once", async () => {
  const host = await new FakeHost().open();
  host.token = "right";
  await (await connect(host.url, { token: "right" })).close();
  const client = await connect(host.url, { token: "wrong" });
  await assert.rejects(client.call("echo", { value: 1 }), failed("UNAUTHENTICATED", "no"));
  await client.close(0);
  host.refusal = new Fault("PERMISSION_DENIED", "not you", { started: "no" });
  const began = performance.now();
  await assert.rejects(connect(host.url), failed("PERMISSION_DENIED", "no"));
  assert.ok(performance.now() - began < 2000);
  await host.close();
});

test("nonsense from a host ends the connection", async () => {
  for (const nonsense of [Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\nnonsense nonsense"), Buffer.alloc(64, 0xff)]) {
    const host = new FakeHost();
    const server = createServer((socket) => socket.on("error", () => {}).write(nonsense));
    await new Promise((resolve) => server.listen(host.path, resolve));
    await assert.rejects(connect(host.url, { connectTimeout: 100 }), failed("UNAVAILABLE", "no"));
    await new Promise((resolve) => server.close(resolve));
    rmSync(host.folder, { recursive: true });
  }
});

test("close waits for calls in flight, and then no call is made", () =>
  hosted(async (client, host) => {
    const hanging = client.call("hang");
    await host.until(() => host.waiting.length);
    const closing = client.close();
    host.waiting[0]();
    assert.equal(await hanging, "released");
    await closing;
    await assert.rejects(client.call("echo", { value: 1 }), failed("UNAVAILABLE", "no"));
  }));

test("an address that is none says what one looks like", async () => {
  for (const url of [
    "nonsense",
    "http://127.0.0.1:8700",
    "unix://relative/path",
    "tcp+tls://host",
    `unix:///${"x".repeat(200)}`,
  ]) {
    await assert.rejects(connect(url), TypeError);
  }
});

test("a host that cannot be started says why", async () => {
  await assert.rejects(open("shop/", { program: "/nowhere/dragoman", log: "ignore" }), /cannot be started.*DRAGOMAN/s);
  await assert.rejects(
    open("shop/", { program: ["sh", "-c", "echo no such project >&2; exit 3"], log: "ignore" }),
    /\(3\)[^]*no such project/,
  );
});
