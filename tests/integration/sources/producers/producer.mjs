// Sends what it is told to, line by line, and says what came of it.
import readline from "node:readline";
import { produce } from "dragoman/queue";

const EVENT = {
  "ce-specversion": "1.0",
  "ce-id": "17",
  "ce-source": "/shop",
  "ce-type": "order",
  "ce-subject": "é",
};
const HEADERS = {
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  "dragoman-deadline": "2099-01-01T00:00:00Z",
  "dragoman-priority": "critical",
  "idempotency-key": "order-17",
  "correlation-id": "a\r\nb ☕",
};
const VERBS = {
  async table(producer) {
    const send = (input, headers) => producer.send("table", input, { headers });
    await send({ item: "tea", count: 2, note: null, lines: [], more: {} });
    await send('é ☕ <&> " \\ / \n \t \x01 \x7f \u2028 😀');
    await send([
      0,
      -1,
      9007199254740993n,
      18446744073709551615n,
      1.5,
      -0.25,
      0.1,
      true,
      false,
      null,
    ]);
    await send();
    await send(new Uint8Array([0, 255, 13, 10]));
    await send(Buffer.from("1"), { "content-type": "application/json" });
    await send({ item: "tea" }, HEADERS);
    await send({ item: "tea" }, EVENT);
    await send({ item: "tea" }, { ...EVENT, ...HEADERS });
    await producer.sendAll("table", [{ input: "a" }, { input: "b" }]);
  },
  send: (producer, stream, number) => producer.send(stream, number),
  all: (producer, stream, _, count) =>
    producer.sendAll(
      stream,
      Array.from({ length: count }, (_, input) => ({ input })),
    ),
  crowd: (producer, stream, number, count) =>
    Promise.all(
      Array.from({ length: number * count }, (_, input) =>
        producer.send(stream, input),
      ),
    ),
  heavy: (producer, stream, number, count) =>
    producer.sendAll(
      stream,
      Array(count).fill({ input: new Uint8Array(number) }),
    ),
  large: (producer, stream, number) =>
    producer.send(stream, new Uint8Array(number)),
  close: (producer) => producer.close(),
};

let producer = null;
for await (const line of readline.createInterface({ input: process.stdin })) {
  const [verb, stream, number, count] = line.split(" ");
  try {
    producer ??= await produce(process.argv[2], {
      keep: Number(process.argv[3]),
    });
    await VERBS[verb](producer, stream, Number(number), Number(count));
    console.log("ok");
  } catch (fault) {
    console.log(fault.code, fault.started, JSON.stringify(fault.message));
  }
}
await producer?.close();
