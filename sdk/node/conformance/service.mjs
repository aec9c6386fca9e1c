/** The conformance service in JavaScript. */

import { setTimeout as wait } from "node:timers/promises";
import { Fault } from "../src/index.js";

const int64 = { type: "integer", minimum: -9223372036854775808n, maximum: 9223372036854775807n };
const object = (properties, optional = []) => ({
  type: "object",
  properties,
  required: Object.keys(properties).filter((key) => !optional.includes(key)),
});
const text = (format) => ({ type: "string", format });
const record = {
  ...object(
    {
      int: int64,
      big: { type: "integer" },
      float: { type: "number" },
      decimal: text("decimal"),
      flag: { type: "boolean" },
      text: { type: "string" },
      bytes: { type: "string", contentEncoding: "base64" },
      moment: text("date-time"),
      date: text("date"),
      duration: text("duration"),
      uuid: text("uuid"),
      colour: { enum: ["red", "green"] },
      tags: { type: "array", items: { type: "string" } },
      scores: { type: "object", additionalProperties: int64 },
      shape: {
        anyOf: [
          object({ kind: { const: "circle" }, radius: { type: "number" } }),
          object({ kind: { const: "square" }, side: { type: "number" } }),
        ],
      },
      maybe: int64,
      nullable: { anyOf: [int64, { type: "null" }] },
      inner: { $ref: "#" },
    },
    ["maybe", "inner"],
  ),
};
const numbers = object({ numbers: { type: "array", items: { type: "integer" } } });

export const schemas = {
  echo: { input: object({ value: {} }) },
  add: { input: object({ a: int64, b: int64 }), output: { type: "integer" }, idempotent: true, version: "1.0.0" },
  typed: { input: record, output: record },
  count: { input: object({ to: { type: "integer" }, bytes: { type: "integer" } }, ["bytes"]) },
  sum: { input: numbers, inputStream: "numbers" },
  first: { input: numbers, inputStream: "numbers" },
  double: { input: numbers, inputStream: "numbers" },
  reverse: { rawInput: "data", rawOutput: true },
};

export const echo = ({ value }) => value;

/** An integer as a BigInt. The host checks input before it comes here; whoever plays the host may not. */
function integer(value, path) {
  if (typeof value === "bigint" || Number.isInteger(value)) return BigInt(value);
  throw Fault.invalidArgument(`${path}: is no integer`, [{ path, message: "is no integer" }]);
}

export const add = ({ a, b }) => integer(a, "/a") + integer(b, "/b");

export function typed(value) {
  if (!Buffer.isBuffer(value.bytes)) throw new TypeError("bytes are a Buffer");
  return value;
}

export function fail({ code, detail }) {
  throw new Fault(code, detail, { errors: [{ path: "/code", message: "as asked" }] });
}

export async function crash({ message }) {
  throw new RangeError(message);
}

export const unserialisable = () => () => {};

export function* count({ to, bytes = 0 }) {
  for (let number = 0; number < to; number++) yield bytes ? "x".repeat(bytes) : number;
}

export async function* fail_after({ items }) {
  for (let number = 0; number < items; number++) yield number;
  throw Fault.failedPrecondition("as asked");
}

export async function sleep({ seconds }, { signal }) {
  await wait(seconds * 1000, undefined, { signal });
  return "slept";
}

export async function* endless(_input, _ctx) {
  for (let number = 0; ; number++) {
    yield number;
    await wait(0);
  }
}

export async function stubborn({ seconds }) {
  await wait(seconds * 1000);
  return "done";
}

export async function sum({ numbers }) {
  let total = 0n;
  let at = 0;
  for await (const number of numbers) total += integer(number, `/numbers/${at++}`);
  return total;
}

export async function first({ numbers }) {
  for await (const number of numbers) return number;
  throw Fault.invalidArgument("no numbers");
}

export async function* double({ numbers }) {
  for await (const number of numbers) yield 2 * number;
}

export const call = ({ function: name, input }, ctx) => ctx.call(name, input);

export async function* relay({ function: name, input }, ctx) {
  yield* ctx.stream(name, input);
}

export function log({ message, level }, ctx) {
  ctx.log(message, { n: 1 }, level);
  return null;
}

export function progress({ share, message }, ctx) {
  ctx.progress(share, message);
  return null;
}

export function steps({ shares, seconds }, ctx) {
  for (const share of shares) ctx.progress(share);
  for (const ends = performance.now() + seconds * 1000; performance.now() < ends;);
  return null;
}

export function print({ text: shown }) {
  console.log(shown);
  console.error(shown);
  return null;
}

export const remaining = (_input, ctx) => (ctx.remaining === Infinity ? null : ctx.remaining / 1000);

export const about = (_input, ctx) => ({
  call_id: ctx.callId,
  trace_id: ctx.trace ? ctx.trace.split("-")[1] : null,
  cancelled: ctx.cancelled,
});

export const reverse = ({ data }) => Buffer.from(data).reverse();
