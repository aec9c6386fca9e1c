/** Every vector of `proto/vectors`, through the wire, from both sides. */

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { Borrowed, Lent } from "../src/wire/arena.js";
import { Batch, joined } from "../src/wire/batch.js";
import { Connection } from "../src/wire/connection.js";
import { Decoder } from "../src/wire/decoder.js";
import { CORRUPT, Flag, FRAME_BYTES_MAX, Kind, KIND_NAMES, hexOf, keyOf } from "../src/wire/frame.js";
import { loadHello, loadReady, negotiate } from "../src/wire/handshake.js";
import { decodeMeta, encodeMeta, NO_ENTRIES } from "../src/wire/meta.js";
import { loadEvent, loadFault } from "../src/wire/report.js";

const VECTORS = new URL(process.env.DRAGOMAN_VECTORS ?? "../../../proto/vectors/", import.meta.url);
const json = (path) => JSON.parse(readFileSync(new URL(path, VECTORS), "utf8"));
const cases = (name) => json(`frames/${name}.json`).cases;
const bytes = (hex) => Buffer.from(hex, "hex");
const bodyOf = (fields) => ("body" in fields ? Buffer.from(fields.body) : bytes(fields.body_hex ?? ""));

function fieldsOf(fields) {
  return {
    kind: fields.kind,
    flags: (fields.flags ?? []).reduce((sum, name) => sum | Flag[name], 0),
    codec: fields.codec ?? 0,
    function: fields.function ?? 0,
    call: BigInt(`0x${fields.call ?? "0"}`).toString(16),
    amount: fields.amount ?? 0,
    meta: fields.meta ?? "",
    body: bodyOf(fields).toString("hex"),
  };
}

function shown(frame) {
  return {
    kind: KIND_NAMES[frame.kind],
    flags: frame.flags,
    codec: frame.codec,
    function: frame.function,
    call: hexOf(frame.call),
    amount: frame.amount,
    meta: frame.meta.toString("hex"),
    body: frame.body.toString("hex"),
  };
}

/** Give bytes to one end in pieces, in a buffer that is overwritten after each, as a reader does. */
function feed(take, data, pieceBytes) {
  const frames = [];
  for (let at = 0; at < data.length; at += pieceBytes) {
    const piece = Buffer.from(data.subarray(at, at + pieceBytes));
    for (const frame of take(piece)) frames.push(frame.keep());
    piece.fill(0xee);
  }
  return frames;
}

function reasonOf(run) {
  try {
    run();
  } catch (error) {
    assert.ok(error.reason, error.stack);
    return error.reason;
  }
  return "nothing was refused";
}

test("good frames have these fields and these bytes", () => {
  for (const { name, hex, frame, one_way: oneWay, segments } of cases("good")) {
    const decoder = new Decoder();
    decoder.segments = Boolean(segments);
    const found = decoder.feed(bytes(hex));
    assert.deepEqual(found.map(shown), [fieldsOf(frame)], name);
    if (oneWay) continue;
    const batch = new Batch();
    const f = found[0];
    batch.put(f.kind, f.flags, f.codec, f.function, f.call, f.amount, f.meta, f.body);
    assert.equal(joined(batch.take()).toString("hex"), hex, name);
  }
});

test("bad headers are refused for their reason however they arrive", () => {
  for (const { name, hex, fault, limit, segments } of cases("bad-header")) {
    for (const pieceBytes of [1, 7, 1 << 20]) {
      const decoder = new Decoder(limit ?? FRAME_BYTES_MAX);
      decoder.segments = Boolean(segments);
      assert.equal(
        reasonOf(() => feed((data) => decoder.feed(data), bytes(hex), pieceBytes)),
        fault,
        `${name} in pieces of ${pieceBytes}`,
      );
      assert.equal(
        reasonOf(() => decoder.feed(Buffer.alloc(0))),
        fault,
      );
    }
  }
});

test("meta is read or refused", () => {
  for (const { name, meta, entries, fault } of cases("meta")) {
    if (fault) {
      assert.equal(
        reasonOf(() => decodeMeta(bytes(meta))),
        fault,
        name,
      );
      continue;
    }
    const found = decodeMeta(bytes(meta));
    for (const skipped of ["merged", "priority", "idempotency_key"]) delete entries[skipped];
    const { trace } = found;
    assert.deepEqual(
      {
        call_id: found.callId,
        function: found.function,
        depth: found.depth,
        trace: trace && { trace_id: trace.traceId, span_id: trace.spanId, flags: trace.flags, state: trace.state },
      },
      { call_id: "", function: "", depth: 0, trace: null, ...entries },
      name,
    );
    assert.deepEqual(decodeMeta(encodeMeta(found)), found, name);
  }
});

test("entries that are not read are skipped whatever is in them", () => {
  for (const { name, meta } of cases("bad-meta-optional")) {
    assert.deepEqual(decodeMeta(bytes(meta)), NO_ENTRIES, name);
  }
});

test("JSON bodies are taken or refused", () => {
  const readers = {
    HELLO: (body) => negotiate(loadHello(body).versions),
    READY: (body) => loadReady(body),
    FAULT: loadFault,
    EVENT: loadEvent,
  };
  for (const each of cases("bodies")) {
    const read = () => readers[each.kind](bodyOf(each));
    if (each.fault) assert.equal(reasonOf(read), each.fault, each.name);
    else assert.doesNotThrow(read, each.name);
  }
});

// What one side sends, by the calls that a user of the library makes.
const SEND = {
  HELLO: (end, { body }) => {
    end.hello = loadHello(body);
    end.limits = end.hello.limits;
    end._move("HELLO");
    end.out.put(Kind.HELLO, 0, 1, 0, 0, 0, Buffer.alloc(0), body);
  },
  READY: (end, { body }) => {
    const { functions, ...ready } = loadReady(body);
    end.sayReady({ ...ready, functions });
  },
  CALL: (end, f) => {
    const owner = end.call(f.call, {
      function: f.function,
      codec: f.codec,
      body: region(end, f),
      amount: f.amount,
      meta: f.meta,
      stream: Boolean(f.flags & Flag.STREAM),
      input: Boolean(f.flags & Flag.INPUT),
      region: Boolean(f.flags & Flag.SEGMENT),
    });
    assert.ok(owner);
  },
  ITEM: (end, f) => {
    const sending = end._mine(f.call) ? end.made.get(f.call).input : end.taken.get(f.call).sending;
    end.item(f.call, sending, f.codec, region(end, f), Boolean(f.flags & Flag.SEGMENT));
  },
  END: (end, f) => {
    if (end._mine(f.call)) end.endInput(end.made.get(f.call));
    else end.end(end.taken.get(f.call), f.codec, region(end, f), f.amount, Boolean(f.flags & Flag.SEGMENT));
  },
  FAULT: (end, f) => {
    const fault = loadFault(f.body);
    if (f.call === 0) end.fail(fault);
    else end.fault(end.taken.get(f.call), fault, f.amount, Boolean(f.flags & Flag.UNSTARTED));
  },
  CANCEL: (end, f) => end.cancel(end.made.get(f.call), Boolean(f.flags & Flag.UNSTARTED)),
  CREDIT: (end, f) => {
    const reading = end._mine(f.call) ? end.made.get(f.call).reading : end.taken.get(f.call).input;
    end.credit(f.call, reading, f.amount);
  },
  EVENT: (end, f) => end.event(f.body, f.call),
  PING: (end, f) => end.ping(f.body),
  PONG: (end, f) => end.pong(f.body),
  DRAIN: (end) => end.say("DRAIN"),
  BYE: (end) => end.say("BYE"),
  RELEASE: (end, f) => end.release(Number(f.body.readBigUInt64LE(0))),
};

/** Lend the region that a frame names, as if its body had been put there. */
function region(end, f) {
  if (f.flags & Flag.SEGMENT) {
    const offset = Number(f.body.readBigUInt64LE(0));
    end.arenas.out.regions.push({ offset, size: Number(f.body.readBigUInt64LE(8)) });
  }
  return f.body;
}

function looksLike(frame, wanted) {
  assert.equal(KIND_NAMES[frame.kind], wanted.kind);
  if ("call" in wanted) assert.equal(hexOf(frame.call), wanted.call);
  for (const key of ["code", "started"]) {
    if (key in wanted) assert.equal(JSON.parse(frame.body.toString())[key], wanted[key]);
  }
  if ("body_hex" in wanted) assert.equal(frame.body.toString("hex"), wanted.body_hex);
}

function sentBy(end) {
  const decoder = new Decoder();
  decoder.segments = true;
  return decoder.feed(joined(end.out.take()));
}

function receiveStep(end, step, pieceBytes) {
  const data = bytes(step.hex);
  const take = () => feed((piece) => end.receive(piece), data, pieceBytes);
  if (step.fault) {
    assert.equal(reasonOf(take), step.fault);
    assert.equal(
      reasonOf(() => end.receive(Buffer.alloc(0))),
      step.fault,
    );
    return;
  }
  const frames = take();
  // PONG and RELEASE ask nothing of anyone: this library takes them by itself.
  const silent = step.frame && (step.frame.kind === "PONG" || step.frame.kind === "RELEASE");
  if (step.result === undefined) {
    assert.deepEqual(frames.map(shown), silent ? [] : [fieldsOf(step.frame)]);
  } else if (step.result === "dropped") assert.deepEqual(frames, []);
  else looksLike(frames[0], step.result);
  const answers = sentBy(end);
  if (step.answer && !answers.length) {
    // The answer to a corrupt input is given when its function has ended.
    const taken = end.taken.get(keyOf(step.answer.call ?? "0"));
    if (taken) end.end(taken, 1, "3");
    answers.push(...sentBy(end));
  }
  assert.equal(answers.length, step.answer ? 1 : 0);
  if (step.answer) looksLike(answers[0], step.answer);
}

/** Compare what was sent with a vector: JSON by value and as far as the vector goes, all else exactly. */
function agree(frames, wanted) {
  assert.equal(frames.length, 1);
  const found = shown(frames[0]);
  if (["HELLO", "READY", "FAULT"].includes(wanted.kind)) {
    const said = JSON.parse(Buffer.from(found.body, "hex").toString());
    const asked = JSON.parse(Buffer.from(wanted.body, "hex").toString());
    if (wanted.kind === "FAULT") delete asked.detail; // each library has its own words
    assert.deepEqual({ ...said, ...asked }, said);
    found.body = wanted.body;
  }
  assert.deepEqual(found, { ...wanted, flags: wanted.flags & ~(Flag.CHECKSUM | CORRUPT) });
}

const names = readdirSync(new URL("conversations/", VECTORS)).filter((name) => name.endsWith(".json"));
for (const name of names) {
  const talk = json(`conversations/${name}`);
  const client = talk.peer === "client";
  for (const view of talk.views) {
    test(`conversation ${name.slice(0, -5)} as ${client && view === "guest" ? "client" : view}`, () => {
      for (const pieceBytes of [1 << 20, 37, 1]) {
        const size = talk.arena_bytes ?? 0;
        const role = client ? { host: "gate", guest: "client" }[view] : view;
        const end = new Connection(role, new Batch(), size ? { in: new Borrowed(size), out: new Lent(size) } : null);
        for (const step of talk.steps) {
          if (step.from !== view) {
            receiveStep(end, step, pieceBytes);
          } else if (!step.fault) {
            const fields = fieldsOf(step.frame);
            const frame = { ...fields, call: keyOf(fields.call), body: bodyOf(step.frame), meta: bytes(fields.meta) };
            SEND[fields.kind](end, frame);
            agree(sentBy(end), fields);
          }
        }
      }
    });
  }
}
