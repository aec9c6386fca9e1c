/** From what a module exports to its contracts: names, parameters, schemas beside functions, and validators. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { bind, functionsOf } from "../src/guest/contract.js";
import { parametersOf } from "../src/guest/parameters.js";
import { Fault, define } from "../src/index.js";
import { type } from "arktype";
import * as v from "valibot";
import { z } from "zod";

const importer = (name) => import(name);
const made = (func, beside = {}) => bind("f", func, beside, importer);

const PARAMETERS = [
  [(input) => input, null],
  [() => 1, null],
  [(input, ctx) => [input, ctx], null],
  [({ a }, { signal }) => [a, signal], null],
  [({ a, b = "),(" }) => [a, b], null],
  [({ a }, ctx) => [a, ctx], null],
  [(_, ctx) => ctx, null],
  [(...all) => all, null],
  [Math.max, null],
  [(a, b) => a + b, ["a", "b"]],
  [(a, b = "x,y", c = [1, (2, 3)]) => [a, b, c], ["a", "b", "c"]],
  [(a, /* , not this */ b = { c: 1 }) => [a, b], ["a", "b"]],
  [async (a, b, ctx) => [a, b, ctx], ["a", "b", "@ctx"]],
  [(ctx) => ctx, ["@ctx"]],
  [Function("return ctx => ctx")(), ["@ctx"]],
  [Function("return async ctx => ctx")(), ["@ctx"]],
  [Function("return input => input")(), null],
  [(ctx, a) => [ctx, a], ["@ctx", "a"]],
  [(ctx, { a }) => [ctx, a], ["@ctx", "*"]],
  [(a, ctx, b) => [a, ctx, b], ["a", "@ctx", "b"]],
  [
    function* named(a, b) {
      yield [a, b];
    },
    ["a", "b"],
  ],
  [
    {
      async *method(a, b) {
        yield [a, b];
      },
    }.method,
    ["a", "b"],
  ],
];

test("parameters are passed by their names, the context wherever it stands", () => {
  for (const [func, wanted] of PARAMETERS) assert.deepEqual(parametersOf(func), wanted, String(func));
});

test("a function gets its parameters from the input, and its context", async () => {
  const { invoke } = await made((ctx, b, a) => [a, b, ctx]);
  assert.deepEqual(invoke({ a: 1, b: 2 }, "context"), [1, 2, "context"]);
  assert.deepEqual((await made((ctx, { a }) => [a, ctx])).invoke({ a: 1 }, "context"), [1, "context"]);
});

test("what is said on a function comes before what is said beside it", async () => {
  const func = define({ description: "on it", version: "2.0.0" }, ({ a }) => a);
  const { contract } = await made(func, { description: "beside", idempotent: true, output: { type: "integer" } });
  assert.deepEqual(
    { ...contract, input: undefined },
    {
      name: "f",
      description: "on it",
      version: "2.0.0",
      idempotent: true,
      output: { type: "integer" },
      input: undefined,
      streaming: undefined,
      input_stream: undefined,
      raw_input: undefined,
      raw_output: undefined,
    },
  );
});

test("functions have one name each, and classes, validators and private ones are none", () => {
  const shared = () => 1;
  class Hidden {}
  const found = functionsOf({ shared, default: shared, Hidden, _own: shared, schema: z.object({}), n: 1 }, "stem");
  assert.deepEqual([...found.keys()], ["shared"]);
  assert.deepEqual(
    [
      ...functionsOf(
        {
          default: (
            () => () =>
              1
          )(),
        },
        "my-stem",
      ).keys(),
    ],
    ["my_stem"],
  );
  const other = { shared() {} }.shared;
  assert.throws(() => functionsOf({ shared, default: other }, "stem"), /two functions are called shared/);
});

const VALIDATORS = {
  zod: z.object({
    name: z.string().min(2),
    count: z.number().int().default(1),
    tags: z.array(z.string().trim()).optional(),
  }),
  valibot: v.object({
    name: v.pipe(v.string(), v.minLength(2)),
    count: v.optional(v.pipe(v.number(), v.integer()), 1),
    tags: v.optional(v.array(v.pipe(v.string(), v.trim()))),
  }),
  arktype: type({ name: "string >= 2", count: "number.integer = 1", "tags?": "string.trim[]" }),
};

for (const [vendor, validator] of Object.entries(VALIDATORS)) {
  test(`a contract of ${vendor}`, async () => {
    const { contract, validate } = await made(
      define({ input: validator }, (input) => input),
      {},
    );
    const { input } = contract;
    assert.equal(input.type, "object");
    assert.deepEqual(input.required, ["name"]);
    assert.equal(input.properties.name.minLength, 2);
    assert.equal(input.properties.count.type, "integer");
    assert.deepEqual(validate({ name: "Ada", tags: [" a "] }), { name: "Ada", count: 1, tags: ["a"] });
    assert.throws(
      () => validate({ name: "Ada", tags: [1] }),
      (fault) => {
        assert.ok(fault instanceof Fault);
        assert.deepEqual([fault.code, fault.started], ["INVALID_ARGUMENT", "no"]);
        assert.deepEqual(
          fault.errors.map((each) => each.path),
          ["/tags/0"],
        );
        return true;
      },
    );
  });
}

test("what a validator cannot say as a schema stays open, and is checked all the same", async () => {
  const validator = z.object({ at: z.date() });
  const { contract, validate } = await made(define({ input: validator, output: z.string() }, () => ""));
  assert.deepEqual(contract.input.properties.at, {});
  assert.deepEqual(contract.output, { type: "string" });
  assert.throws(() => validate({ at: 1 }), /\/at/);
});

for (const [told, why] of [
  [{ input: { type: "string" } }, /an input is an object/],
  [{ input: 7 }, /a JSON Schema or a validator, not number/],
  [{ output: () => 1 }, /no JSON Schema and no validator/],
  [{ version: 1 }, /`version` must be a string/],
  [{ inputStream: "x", input: { type: "object", properties: {} } }, /no array called that/],
]) {
  test(`a contract that is none: ${JSON.stringify(told)}`, async () => {
    await assert.rejects(
      made(() => 1, told),
      why,
    );
  });
}
