/** A program that calls functions of a host that is there: over a UNIX socket, or TLS with an authority and a token. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const [library, url, authority, token] = process.argv.slice(2);
const { connect } = await import(library);
const code = (call) =>
  call.then(
    () => "no fault",
    (fault) => fault.code,
  );

async function calls(client) {
  assert.equal(await client.call("fn.add", { a: 2 ** 40, b: 2 }), 2 ** 40 + 2);
  assert.equal(await client.call("fn.add", { a: 2n ** 62n, b: 1 }), 2n ** 62n + 1n);
  const data = Buffer.alloc(5_000_000, 7);
  assert.ok(data.equals(await client.call("fn.echo", { data })));
  assert.ok(data.equals(await client.call("fn.echo", data, { reply: "bytes" })));
  const many = Array.from({ length: 200 }, (_, n) => client.call("fn.add", { a: n, b: n }));
  assert.deepEqual(
    await Promise.all(many),
    many.map((_, n) => 2 * n),
  );
  assert.equal(await code(client.call("fn.boom")), "UNKNOWN");
  assert.equal(await code(client.call("fn.nothing")), "NOT_FOUND");
  assert.equal(await code(client.call("fn.add", { a: "x", b: 1 })), "INVALID_ARGUMENT");
  assert.equal(await code(client.call("fn.nap", { seconds: 30 }, { timeout: 200 })), "DEADLINE_EXCEEDED");
  const giving = new AbortController();
  setTimeout(() => giving.abort(), 100);
  assert.equal(await code(client.call("fn.nap", { seconds: 30 }, { signal: giving.signal })), "CANCELLED");
  assert.ok((await client.functions()).functions.length > 3);
}

async function streams(client) {
  let sum = 0;
  for await (const each of client.stream("fn.count", { n: 10_000 })) sum += each;
  assert.equal(sum, 49_995_000);
  for await (const each of client.stream("fn.count", { n: 1_000_000_000 })) if (each === 1) break;
  const seen = [];
  const failing = (async () => {
    for await (const each of client.stream("fn.fails_at", { n: 3 })) seen.push(each);
  })();
  assert.equal(await code(failing), "UNKNOWN");
  assert.deepEqual(seen, [0, 1, 2]);
  assert.equal(await client.call("fn.add", { a: 1, b: 1 }), 2);
}

/** Calls while the host is replaced, as it is told to. */
async function again(client) {
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const pending = code(client.call("fn.nap", { seconds: 60 }));
  console.log("ready");
  console.log(await pending);
  await lines.next();
  console.log(await client.call("fn.add", { a: 1, b: 2 }));
}

try {
  const options = authority && authority !== "again" ? { tls: { ca: readFileSync(authority) }, token } : {};
  const client = await connect(url, { connectTimeout: 20_000, ...options });
  if (authority === "again") await again(client);
  else {
    await calls(client);
    await streams(client);
  }
  await client.close();
  console.log("done");
} catch (error) {
  console.log(error.code, error.stack);
} finally {
  process.stdin.destroy();
}
