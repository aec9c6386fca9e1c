// Reads an AsyncAPI document from standard input; prints what is wrong with it, each as a line of JSON, and the number
// of channels, operations and messages that were found.
import { text } from "node:stream/consumers";
import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(await text(process.stdin));
for (const { severity, code, path, message } of diagnostics) {
  console.log(JSON.stringify({ severity, code, path, message }));
}
if (document) {
  const count = (all) => all.all().length;
  console.log(`${count(document.channels())} ${count(document.operations())} ${count(document.allMessages())}`);
}
