// Calls every function of shop.py through the generated client, and prints "done".
import { deepStrictEqual as expect, rejects } from "node:assert";
import { connect } from "dragoman";
import { ShopClient, type Everything, type Odd, type Worse } from "$CLIENT";

const client = await connect(process.argv[2]!);
const { shop } = new ShopClient(client);
const bytes = (value: Uint8Array) => Buffer.from(value);

function everything(big: number | bigint): Everything {
  return {
    big,
    small: 255,
    wide: 2n ** 63n - 1n,
    ratio: 0.1,
    text: "größe \0 😀 e\u0301",
    flag: true,
    blob: Buffer.from([0, 255]),
    moment: "2026-01-31T23:59:59.123456Z",
    day: "2026-01-31",
    clock: "01:00:00.000001",
    span: "-PT90S",
    price: "12.50",
    id: "01000000-0000-0000-0000-0000000000ff",
    colour: "*/ \"\"\" ' ` ${x} \\u000a \n {} 😀",
    level: -1,
    shape: { kind: "square", side: 1, inner: { kind: "circle", radius: 2.5 }, seal: Buffer.from([1]) },
    shapes: [{ kind: "square", side: 2, inner: null, seal: Buffer.from([2]) }],
    pair: [1, "a"],
    twice: [1, 2],
    counts: { "": 1 },
    tree: { value: 1, children: [], next: { value: 2, children: [], next: null } },
    nullable: null,
    mixed: "x",
    anything: [1, null],
    type: "t",
    both: null,
    limit: 1,
  };
}

// The second one has an integer that only JSON can say, where bytes are text.
for (const big of [-(2n ** 63n), 2n ** 70n]) {
  const got = await shop.echo(everything(big));
  expect({ ...got, blob: bytes(got.blob) }, everything(big));
}
const odd: Odd = JSON.parse(
  '{"class":1,"Class":2,"größe":"x","hash-code":3,"hashCode":4,"1st":5,"😀":6,"$ref x":7,"toString":8,"`tick":9,"it\'s":10}',
);
expect(JSON.parse(JSON.stringify(await shop.odd(odd))), odd);
const worse: Worse = { 'quo"te': 1, "back\\slash": 2, "com,ma": 3, "*/": 4, "new\nline": 5, "": 6 };
expect({ ...(await shop.worse(worse)) }, worse);
expect(await shop.double({ number: 2n ** 70n }), 2n ** 71n);
expect(await shop.area({ shape: { kind: "circle", radius: 2 }, scale: 0.5 }), 6);
expect(await shop.find({ name: null }), null);
expect(bytes(await shop.blob({ data: Buffer.from("abc") })).toString(), "cba");
await shop.nothing();
await rejects(shop.fail({ detail: "no" }), { code: "NOT_FOUND" });
const items: (number | bigint)[] = [];
for await (const item of shop.count({ upto: 3 })) items.push(item);
expect(items, [0, 1, 2]);

async function* numbers() {
  for (let at = 0; at < 4; at++) yield at;
}
expect(await shop.total({ numbers: numbers(), start: 1 }), 7);
const doubled: (number | bigint)[] = [];
for await (const item of shop.doubled({ numbers: numbers() })) doubled.push(item);
expect(doubled, [0, 2, 4, 6]);
await client.close();
console.log("done");
