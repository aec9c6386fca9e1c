/** Values go through both codecs and come back as they were, exactly; what cannot is refused and named. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { dump } from "../src/wire/document.js";
import fc from "fast-check";
import { crc32, crc32Table } from "../src/wire/checksum.js";
import { decodeBody, encodeBody } from "../src/values/body.js";
import { Malformed, decodeJson, parseJson, writeJson } from "../src/values/json.js";
import { decodeMsgpack, writeMsgpack } from "../src/values/msgpack.js";
import { Unsayable } from "../src/values/walk.js";
import { Codec } from "../src/wire/frame.js";

// A failure must not shrink for minutes.
fc.configureGlobal({ interruptAfterTimeLimit: 4000, numRuns: 200 });

const text = fc.string({ unit: "binary" });
const number = fc
  .double({ noNaN: true, noDefaultInfinity: true })
  .filter((each) => !Object.is(each, -0) && (!Number.isInteger(each) || Number.isSafeInteger(each)));
const wide = fc.bigInt({ min: -(2n ** 200n), max: 2n ** 200n }).filter((each) => !Number.isSafeInteger(Number(each)));
const exact = fc
  .bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n })
  .filter((each) => !Number.isSafeInteger(Number(each)));
const tree = (leaf) =>
  fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: "small", maxDepth: 4 },
      leaf,
      fc.array(tie("value")),
      fc.dictionary(text, tie("value"), { noNullPrototype: true }),
    ),
  })).value;
const plain = fc.oneof(text, number, fc.integer(), fc.maxSafeInteger(), fc.boolean(), fc.constant(null));
const bytes = fc.uint8Array({ maxLength: 300 }).map((each) => Buffer.from(each));

/** BigInts as the nearest numbers, as an engine reads them. */
const rounded = (value) => {
  if (typeof value === "bigint") return Number(value);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(rounded);
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, rounded(each)]));
};

test("JSON comes back as it went, whatever its integers", () => {
  fc.assert(
    fc.property(tree(fc.oneof(plain, wide)), (value) => {
      assert.deepEqual(parseJson(writeJson(value)), value);
    }),
  );
});

test("the parser for exact integers agrees with the engine's on all else", () => {
  fc.assert(
    fc.property(fc.oneof(tree(plain), fc.anything()), (value) => {
      let said;
      try {
        said = JSON.stringify([value, 0]);
      } catch {
        return; // BigInts and circles
      }
      const found = parseJson(`[12345678901234567890,${said.slice(1)}`);
      assert.equal(found[0], 12345678901234567890n);
      assert.deepEqual(rounded(found.slice(1)), rounded(JSON.parse(said)));
    }),
  );
});

test("text that is no JSON is refused by both parsers", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        text,
        fc.json().chain((said) => fc.nat(said.length).map((at) => said.slice(0, at))),
      ),
      (said) => {
        let legal = true;
        try {
          JSON.parse(said);
        } catch {
          legal = false;
        }
        for (const whole of [said, `[12345678901234567890,${said}]`]) {
          if (legal) continue;
          if (whole !== said && /^\s*\]/.test(said)) continue;
          try {
            JSON.parse(whole);
          } catch {
            assert.throws(() => parseJson(whole), Malformed);
          }
        }
      },
    ),
  );
});

test("MessagePack comes back as it went, with bytes and 64-bit integers", () => {
  const every = fc.double({ noDefaultInfinity: false }).filter((each) => !Object.is(each, -0));
  fc.assert(
    fc.property(tree(fc.oneof(plain, every, bytes, exact)), (value) => {
      assert.deepEqual(decodeMsgpack(writeMsgpack(value)), value);
    }),
  );
});

test("any bytes are decoded or refused, never anything else", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (data) => {
      for (const decode of [decodeMsgpack, decodeJson]) {
        try {
          decode(Buffer.from(data));
        } catch (error) {
          assert.ok(error instanceof Malformed, String(error));
        }
      }
    }),
    { numRuns: 2000 },
  );
});

test("an integer past 64 bits makes the whole body JSON", () => {
  const { codec, body } = encodeBody({ a: 2n ** 64n, b: [1] }, Codec.MSGPACK);
  assert.equal(codec, Codec.JSON);
  assert.equal(String(body), '{"a":18446744073709551616,"b":[1]}');
});

test("integers are exact at every edge", () => {
  for (const edge of [2n ** 53n, 2n ** 63n, 2n ** 64n, 10n ** 15n, 10n ** 16n, 10n ** 30n]) {
    for (const near of [edge - 1n, edge, edge + 1n, -edge, 1n - edge, -edge - 1n]) {
      const found = parseJson(`{"n": ${near}}`).n;
      assert.equal(BigInt(found), near);
      assert.equal(typeof found, Number.isSafeInteger(Number(near)) ? "number" : "bigint", String(near));
      assert.equal(writeJson(found), String(near));
    }
  }
});

test("numbers past every float are refused", () => {
  for (const said of ["1e309", "-1e309", `[${"9".repeat(400)}.5]`, "1.0E+400"])
    assert.throws(() => parseJson(said), Malformed);
});

test("lone surrogates are refused in both directions", () => {
  for (const said of ['"\\ud800"', '{"a": ["x", "\\udc00y"]}', '{"\\ud800": 1}', '["\\ud83d", 12345678901234567890]']) {
    assert.throws(() => parseJson(said), Malformed, said);
  }
  assert.deepEqual(parseJson('["\\ud83d\\ude00", "\\\\ud800"]'), ["😀", "\\ud800"]);
  for (const write of [writeJson, writeMsgpack]) {
    assert.throws(
      () => write(["a\ud800"]),
      (error) => error instanceof Unsayable && error.path === "/0",
    );
    assert.throws(() => write({ a: { "\udc00": 1 } }), Unsayable);
  }
});

test("what is no value is refused, and its place is named", () => {
  const cases = [
    [{ a: [1, () => 1] }, "/a/1"],
    [{ "x/y~z": Symbol("s") }, "/x~1y~0z"],
    [[new Date(NaN)], "/0"],
    [{ when: new Date(Date.UTC(20000, 0)) }, "/when"],
    [{ later: Promise.resolve() }, "/later"],
    [[undefined], "/0"],
    [new Map([[1, 2]]), ""],
    [{ e: new Error("x") }, "/e"],
  ];
  for (const [value, path] of cases) {
    for (const write of [writeJson, writeMsgpack]) {
      assert.throws(
        () => write(value),
        (error) => error instanceof Unsayable && error.path === path,
        path,
      );
    }
  }
  for (const value of [NaN, Infinity, -Infinity]) {
    assert.throws(() => writeJson({ x: value }), Unsayable);
    assert.deepEqual(decodeMsgpack(writeMsgpack(value)), value);
  }
});

test("values of the language's own types are written as the table says", () => {
  const value = {
    moment: new Date(Date.UTC(2026, 0, 31, 23, 59, 59, 120)),
    bytes: new Uint8Array([0, 255, 16]),
    view: new Uint8Array([9, 0, 255, 16]).subarray(1),
    set: new Set([1, 2]),
    map: new Map([["a", 1n]]),
    floats: new Float64Array([0.5, 1]),
    absent: undefined,
    nothing: null,
    said: { toJSON: () => ({ x: 1 }) },
  };
  assert.equal(
    writeJson(value),
    '{"moment":"2026-01-31T23:59:59.120Z","bytes":"AP8Q","view":"AP8Q","set":[1,2],"map":{"a":1},"floats":[0.5,1],"nothing":null,"said":{"x":1}}',
  );
  assert.deepEqual(decodeMsgpack(writeMsgpack(value)).bytes, Buffer.from([0, 255, 16]));
});

test("nesting is bounded in both directions", () => {
  const deep = (levels) => "[".repeat(levels) + "]".repeat(levels);
  const listed = (levels) => {
    let value = [];
    for (let at = 1; at < levels; at++) value = [value];
    return value;
  };
  assert.ok(parseJson(deep(500)));
  assert.throws(() => parseJson(deep(501)), Malformed);
  assert.throws(() => parseJson(deep(100_000)), Malformed);
  assert.throws(() => parseJson(`[12345678901234567890,${deep(500)}]`), Malformed);
  for (const write of [writeJson, writeMsgpack]) {
    assert.ok(write(listed(500)));
    assert.throws(() => write(listed(501)), Unsayable);
    const circle = {};
    circle.self = circle;
    assert.throws(() => write(circle), Unsayable);
  }
  assert.throws(() => decodeMsgpack(Buffer.alloc(100_000, 0x91)), Malformed);
});

test("keys named as parts of objects are only keys", () => {
  const found = parseJson('{"__proto__": {"x": 1}, "n": 12345678901234567890}');
  assert.equal(found.x, undefined);
  assert.deepEqual(Object.keys(found), ["__proto__", "n"]);
  assert.equal(decodeMsgpack(writeMsgpack(found)).x, undefined);
  assert.equal(parseJson('{"a": 1, "a": 2, "n": 12345678901234567890}').a, 2);
});

test("a MessagePack timestamp is a moment as text", () => {
  const wideStamp = Buffer.from("c70cff1dcd65000000000065920080", "hex");
  assert.equal(decodeMsgpack(Buffer.from("d6ff65920080", "hex")), "2024-01-01T00:00:00Z");
  assert.equal(decodeMsgpack(wideStamp), "2024-01-01T00:00:00.5Z");
});

test("bodies are read by their codec, and raw ones are kept", () => {
  const raw = Buffer.from("abc");
  const copy = decodeBody(raw, Codec.BYTES, false);
  raw.fill(0);
  assert.equal(String(copy), "abc");
  assert.equal(decodeBody(Buffer.alloc(0), Codec.NONE, true), undefined);
  assert.throws(() => encodeBody("text", Codec.BYTES), Unsayable);
});

test("both ways to a checksum agree", () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => crc32(b, crc32(a)) === crc32Table(b, crc32Table(a))),
  );
  assert.equal(crc32Table(Buffer.from("123456789")), 0xcbf43926);
});

test("documents of the wire say BigInts as digits, and text that is well formed", () => {
  const schema = { maximum: 2n ** 63n - 1n, minimum: -(2n ** 63n), title: "a", missing: undefined };
  assert.equal(
    dump({ schema }).toString(),
    '{"schema":{"maximum":9223372036854775807,"minimum":-9223372036854775808,"title":"a"}}',
  );
  assert.equal(dump({ text: "\ud800" }).toString(), '{"text":"\ufffd"}');
});
