// Calls a Python function over and over, in one of several ways, and prints how long a call takes:
//   node caller.mjs WAY ADDRESS CALLS
import { once } from "node:events";
import { Agent, request } from "node:http";
import { createRequire } from "node:module";
import { connect as dial } from "node:net";

import { connect } from "../../../sdk/node/src/index.js";

const [way, address, calls] = process.argv.slice(2);
const peers = new URL("../../.build/callers/node/", import.meta.url);
const say = "x".repeat(89);

const ways = {
  async dragoman() {
    const client = await connect(address);
    return { call: () => client.call("functions.mirror", { text: say }), close: () => client.close() };
  },

  async ping() {
    const wire = dial(address);
    await once(wire, "connect");
    let answered;
    let missing = 0;
    wire.on("data", (data) => {
      missing -= data.length;
      if (missing === 0) answered(data.toString());
    });
    const call = () =>
      new Promise((resolve) => {
        answered = resolve;
        missing = say.length;
        wire.write(say);
      });
    return { call, close: () => wire.destroy() };
  },

  http() {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const { hostname, port } = new URL(address);
    const headers = { "content-type": "application/json" };
    const options = { agent, hostname, port, path: "/v1/call/functions.mirror", method: "POST", headers };
    const call = () =>
      new Promise((resolve, reject) => {
        const sent = request(options, (response) => {
          let text = "";
          response.setEncoding("utf8");
          response.on("data", (part) => {
            text += part;
          });
          response.on("end", () => resolve(JSON.parse(text)));
        });
        sent.on("error", reject);
        sent.end(JSON.stringify({ text: say }));
      });
    return { call, close: () => agent.destroy() };
  },

  async pythonia() {
    const { python } = await import(createRequire(peers).resolve("pythonia"));
    const functions = await python(address);
    return { call: () => functions.mirror(say), close: () => python.exit() };
  },
};

const { call, close } = await ways[way]();
const count = Number(calls);
const took = new Float64Array(count);
let began = performance.now();
for (let turn = -count; turn < count; turn += 1) { // the first half warms up
  if (turn === 0) began = performance.now();
  const start = performance.now();
  const answer = await call();
  if (answer !== say) throw new Error(`answered ${answer}`);
  if (turn >= 0) took[turn] = (performance.now() - start) * 1000;
}
const rate = (count / (performance.now() - began)) * 1000;
took.sort();
console.log(JSON.stringify({ p50_us: took[count >> 1], p99_us: took[Math.floor(count * 0.99)], rate_s: rate }));
await close();
