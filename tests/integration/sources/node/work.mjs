/** Functions for the tests, well behaved and not. */

import { existsSync, writeFileSync, writeSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { Fault } from "dragoman";

const object = (properties, required = Object.keys(properties)) => ({
  type: "object",
  properties,
  required,
  additionalProperties: false,
});
const integer = { type: "integer" };
const n = { input: object({ n: integer }) };
const record = object(
  {
    id: integer,
    lines: { type: "array", items: object({ name: { type: "string" }, count: { type: "integer", maximum: 255 } }) },
    at: { type: "string", format: "date-time" },
    data: { type: "string", contentEncoding: "base64" },
    note: { type: "string" },
  },
  ["id", "lines", "at"],
);
export const schemas = {
  order: { input: record, output: record },
  count: n,
  busy: { input: object({ gate: { type: "string" } }) },
  square: { ...n, output: integer, idempotent: true },
  sum: { input: object({ numbers: { type: "array", items: integer } }), inputStream: "numbers" },
  double: { input: object({ numbers: { type: "array", items: integer } }), inputStream: "numbers" },
  notices: { input: object({ marker: { type: "string" } }) },
  ask: n,
  through: n,
  same: { rawInput: "data", rawOutput: true },
  nap: { input: object({ s: { type: "number" } }) },
};

const leaked = [];

export function order({ data, ...rest }) {
  if (data !== undefined && !Buffer.isBuffer(data)) throw new TypeError("bytes are a Buffer");
  return data === undefined ? rest : { ...rest, data };
}

export function* count({ n }) {
  for (let at = 0; at < n; at++) yield at;
}

export function* busy({ gate }) {
  yield 1;
  while (!existsSync(gate));
  yield 2;
}

export const square = ({ n }) => n * n;

export async function sum({ numbers }) {
  let total = 0;
  for await (const each of numbers) total += each;
  return total;
}

export async function* double({ numbers }) {
  for await (const each of numbers) yield 2 * each;
}

/** Leaves word of why it was given up. */
export async function notices({ marker }, { signal }) {
  writeFileSync(marker, "waiting");
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
  writeFileSync(marker, signal.reason.code);
}

export const same = ({ data }) => data;
export const pid = () => process.pid;
export const ask = ({ n }, ctx) => ctx.call("py.twice", { n });
export const ask_slow = (_input, ctx) => ctx.call("py.slow");
export const through = ({ n }, ctx) => ctx.call("py.ask", { n });

export async function nap({ s }, { signal }) {
  await wait(s * 1000, undefined, { signal });
  return "slept";
}

export const fail = () => {
  throw Fault.notFound("no order 7");
};
export const error = () => {
  throw new RangeError("plain");
};
export const rejects = async () => {
  throw new SyntaxError("later");
};
export const text = () => {
  throw "only text";
};
export const unserialisable = () => ({ a: [1, () => 2] });

/** Fails where nobody waits for it. */
export async function stray() {
  void Promise.reject(new RangeError("nobody waits for this"));
  await wait(5000);
}

export async function timer() {
  setTimeout(() => {
    throw new RangeError("thrown in a timer");
  }, 1);
  await wait(5000);
}

export const late = () => {
  setTimeout(() => {
    throw new RangeError("after its call");
  }, 10);
  return process.pid;
};

export const exits = () => process.exit(3);
export const aborts = () => process.abort();
export const overflows = () => {
  const deeper = (at) => deeper(at + 1) + 1;
  return deeper(0);
};
export const exhausts = () => {
  const all = [];
  for (;;) all.push(new Array(1e6).fill(all.length));
};
export const nonsense = async () => {
  for (let fd = 3; fd < 32; fd++) {
    try {
      writeSync(fd, "nonsense nonsense nonsense nonsense nonsense");
    } catch {
      // Not one that takes it.
    }
  }
  await wait(5000);
};

export const stubborn = () => wait(60_000);
export const spins = () => {
  for (;;);
};
export const stops_itself = () => process.kill(process.pid, "SIGSTOP");

export function prints({ n }) {
  const megabyte = `${"x".repeat(1023)}\n`.repeat(1024);
  for (let at = 0; at < n; at++) process.stdout.write(megabyte);
  return "printed";
}

export const logs = (_input, ctx) => ctx.log("told", { n: 1n, at: new Date(0) }, "warning");

export function leaks() {
  leaked.push(Buffer.alloc(40 << 20, 1));
  return process.pid;
}
