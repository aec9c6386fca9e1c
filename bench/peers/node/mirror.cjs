// Node's end of what Python programs use to call Node: a module for JSPyBridge, a server for HTTP.
const { createServer } = require("node:http");

const mirror = (text) => text;

module.exports = { mirror };

if (require.main === module) {
  const server = createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      const body = JSON.stringify(mirror(JSON.parse(Buffer.concat(parts)).text));
      response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
      response.end(body);
    });
  });
  server.listen(Number(process.argv[2]), "127.0.0.1");
}
