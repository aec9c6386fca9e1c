import assert from "node:assert/strict";
import net from "node:net";
import test from "node:test";
import { produce } from "dragoman/queue";

/**
 * A server that answers what `say` makes of each command; "" ends the connection, null says nothing.
 *
 * @param {import("node:test").TestContext} t
 * @param {(number: number, command: string[]) => string | null} say
 */
async function serve(t, say) {
  /** @type {string[][]} */
  const commands = [];
  const server = net.createServer((socket) => {
    let text = "";
    socket.on("error", () => {});
    socket.on("data", (data) => {
      text += data.toString("latin1");
      for (let taken = take(text); taken; taken = take(text)) {
        text = taken.rest;
        commands.push(taken.command);
        const answer = say(commands.length, taken.command);
        if (answer === "") return socket.destroy();
        if (answer !== null) socket.write(`${answer}\r\n`);
      }
    });
    t.after(() => socket.destroy());
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(null)));
  t.after(() => server.close());
  const { port } = /** @type {net.AddressInfo} */ (server.address());
  return { commands, url: `redis://127.0.0.1:${port}`, port };
}

/** @param {string} text */
function take(text) {
  const head = /^\*(\d+)\r\n/.exec(text);
  if (!head) return null;
  let rest = text.slice(head[0].length);
  const command = [];
  for (let left = Number(head[1]); left > 0; left--) {
    const size = /^\$(\d+)\r\n/.exec(rest);
    if (!size || rest.length < size[0].length + Number(size[1]) + 2) return null;
    command.push(rest.slice(size[0].length, size[0].length + Number(size[1])));
    rest = rest.slice(size[0].length + Number(size[1]) + 2);
  }
  return { command, rest };
}

/** @param {number} number @param {string[]} command */
function fine(number, [verb]) {
  return verb === "XADD" ? `$${`${number}-0`.length}\r\n${number}-0` : "+OK";
}

test("a message is an entry with a body and headers", async (t) => {
  const server = await serve(t, fine);
  const producer = await produce(`redis://me:p%40ss@127.0.0.1:${server.port}/3`, { keep: 100 });
  const id = await producer.send("orders", { item: "tea", at: 2n ** 60n }, { headers: { "correlation-id": "o\r\n1" } });
  await producer.close();
  assert.equal(id, "3-0");
  assert.deepEqual(server.commands.slice(0, 3), [
    ["AUTH", "me", "p@ss"],
    ["SELECT", "3"],
    [
      ...["XADD", "orders", "MAXLEN", "~", "100", "*", "body", '{"item":"tea","at":1152921504606846976}'],
      ...["correlation-id", "o\r\n1"],
    ],
  ]);
});

test("bytes go as they are, and nothing is an input without fields", async (t) => {
  const server = await serve(t, fine);
  const producer = await produce(server.url);
  await producer.send("s", Buffer.from([0, 255]));
  await producer.send("s");
  await producer.close();
  assert.deepEqual(server.commands[1].slice(2), ["*", "body", "\x00\xff", "content-type", "application/octet-stream"]);
  assert.deepEqual(server.commands[2].slice(2), ["*", "body", "{}"]);
});

test("many are sent in their order, and what was refused has no id", async (t) => {
  const server = await serve(t, (number, command) =>
    command[command.length - 1] === "2" ? "-OOM command not allowed" : fine(number, command),
  );
  const producer = await produce(server.url);
  const messages = Array.from({ length: 3000 }, (_, input) => ({ input }));
  await assert.rejects(producer.sendAll("s", messages), (/** @type {any} */ error) => {
    assert.equal(error.code, "RESOURCE_EXHAUSTED");
    assert.deepEqual([error.ids[1], error.ids[2], error.ids[2999]], ["3-0", "", "3001-0"]);
    return true;
  });
  await producer.close();
  assert.deepEqual(
    server.commands.slice(1, 3001).map((command) => command[4]),
    messages.map(({ input }) => `${input}`),
  );
});

test("a connection that is lost is made anew, and the fault says what may be stored", async (t) => {
  const server = await serve(t, (number, command) => (number === 3 ? "" : fine(number, command)));
  const producer = await produce(server.url);
  await producer.send("s", 1);
  await assert.rejects(producer.send("s", 2), { code: "UNAVAILABLE", started: "unknown" });
  assert.equal(await producer.send("s", 3), "5-0");
  await producer.close();
});

test("a server that says nothing is given up, and the fault says what may be stored", async (t) => {
  const server = await serve(t, (number, command) => (number === 2 ? null : fine(number, command)));
  const producer = await produce(server.url);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const answer = assert.rejects(producer.send("s", 1), { code: "DEADLINE_EXCEEDED", started: "unknown" });
  while (server.commands.length < 2) await new Promise((resolve) => setImmediate(resolve));
  t.mock.timers.tick(10_000);
  await answer;
  t.mock.timers.reset();
  assert.equal(await producer.send("s", 2), "4-0");
  await producer.close();
});

test("no server is told, and that nothing was sent", async () => {
  await assert.rejects(produce("redis://127.0.0.1:9"), { code: "UNAVAILABLE", started: "no" });
});

for (const [answer, code] of /** @type {const} */ ([
  ["-NOAUTH Authentication required.", "UNAUTHENTICATED"],
  ["-NOPERM no permissions", "PERMISSION_DENIED"],
  ["-LOADING", "UNAVAILABLE"],
  ["-WRONGTYPE Operation against a key", "FAILED_PRECONDITION"],
])) {
  test(`a refusal has a code: ${answer}`, async (t) => {
    const server = await serve(t, (_, [verb]) => (verb === "XADD" ? answer : "+OK"));
    const producer = await produce(server.url);
    await assert.rejects(producer.send("s", 1), { code, started: "no" });
    await producer.close();
  });
}

for (const answer of ["HTTP/1.1 400 Bad Request", "$99999999999", "*1", "x".repeat(200_000), "$-1"]) {
  test(`what is no Redis is told: ${answer.slice(0, 20)}`, async (t) => {
    const server = await serve(t, () => answer);
    await assert.rejects(produce(server.url), { code: "UNAVAILABLE" });
  });
}

test("what cannot be sent is refused before it is", async (t) => {
  const server = await serve(t, fine);
  const producer = await produce(server.url);
  for (const headers of [
    { body: "x" },
    { Upper: "x" },
    { "": "x" },
    { "a b": "x" },
    { a: /** @type {any} */ (1) },
    { "ce-id": "1" },
  ]) {
    await assert.rejects(producer.send("s", 1, { headers }), { code: "INVALID_ARGUMENT" });
  }
  await assert.rejects(
    producer.send("s", () => {}),
    { code: "INVALID_ARGUMENT" },
  );
  await assert.rejects(producer.send("", 1), { code: "INVALID_ARGUMENT" });
  await producer.close();
  await assert.rejects(producer.send("s", 1), { code: "CANCELLED" });
  for (const url of ["http://h", "redis://h/x", "redis://h:port", "%", "redis://:%zz@h", "redis://:%ff@h", "unix://"]) {
    await assert.rejects(produce(url), { code: "INVALID_ARGUMENT" });
  }
  assert.equal(server.commands.length, 2);
});
