"use strict";
/* Everything that comes from the server is written as text nodes or attributes of our own choice; markup is never
   parsed. Replies are shown as they came, so that 64-bit integers are not rounded by the browser. */
const SHOWN_CHARS_MAX = 200000; // more makes a page slow and nobody reads it
const LINES_MAX = 1000; // of a stream, the newest
const DEPTH_MAX = 6; // of schemas, in examples and tables

const $ = (id) => document.getElementById(id);

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/* Schemas */

function resolve(schema, root) {
  for (let hops = 0; schema && typeof schema === "object" && typeof schema.$ref === "string" && hops < 16; hops++) {
    let target = root;
    if (!schema.$ref.startsWith("#")) return {};
    for (const part of schema.$ref.slice(1).split("/").slice(1)) {
      const key = decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
      target = target && Object.hasOwn(target, key) ? target[key] : undefined;
    }
    schema = target;
  }
  return schema && typeof schema === "object" ? schema : {};
}

function example(schema, root, depth) {
  const view = resolve(schema, root);
  if ("const" in view) return view.const;
  if ("default" in view) return view.default;
  if (Array.isArray(view.examples) && view.examples.length) return view.examples[0];
  if (Array.isArray(view.enum)) return view.enum[0];
  const branches = view.anyOf || view.oneOf;
  if (Array.isArray(branches) && branches.length) {
    const some = branches.find((branch) => resolve(branch, root).type !== "null") || branches[0];
    return depth > DEPTH_MAX ? null : example(some, root, depth + 1);
  }
  const type = Array.isArray(view.type) ? view.type.find((name) => name !== "null") : view.type;
  if (type === "object" || view.properties) return depth > DEPTH_MAX ? {} : exampleObject(view, root, depth);
  if (type === "array") return exampleArray(view, root, depth);
  if (type === "integer" || type === "number") return exampleNumber(view);
  if (type === "boolean") return false;
  if (type === "string") return exampleText(view);
  return null;
}

function exampleObject(view, root, depth) {
  const result = {};
  const required = new Set(view.required || []);
  for (const [name, part] of Object.entries(view.properties || {})) {
    if (required.has(name) || (depth === 0 && !("default" in resolve(part, root)))) {
      Object.defineProperty(result, name, { value: example(part, root, depth + 1), enumerable: true });
    }
  }
  return result;
}

function exampleArray(view, root, depth) {
  if (depth > DEPTH_MAX) return [];
  if (Array.isArray(view.prefixItems)) return view.prefixItems.map((part) => example(part, root, depth + 1));
  const count = Math.min(Math.max(view.minItems || 1, 1), 8);
  return view.items ? Array.from({ length: count }, () => example(view.items, root, depth + 1)) : [];
}

function exampleNumber(view) {
  if (typeof view.minimum === "number") return view.minimum;
  if (typeof view.exclusiveMinimum === "number") return view.exclusiveMinimum + 1;
  if (typeof view.maximum === "number" && view.maximum < 1) return view.maximum;
  return 1;
}

const TEXTS = {
  "date-time": "2026-01-01T00:00:00Z", date: "2026-01-01", time: "12:00:00Z", duration: "PT1M",
  uuid: "00000000-0000-4000-8000-000000000000", decimal: "1.5", email: "a@example.org", uri: "https://example.org/",
};

function exampleText(view) {
  if (view.contentEncoding === "base64") return "aGVsbG8=";
  return (Object.hasOwn(TEXTS, view.format) ? TEXTS[view.format] : "text").padEnd(Math.min(view.minLength || 0, 200), "x");
}

function typeName(schema, root, depth = 0) {
  if (schema === true) return "any";
  if (schema === false) return "nothing";
  const view = resolve(schema, root);
  if ("const" in view) return JSON.stringify(view.const);
  if (Array.isArray(view.enum)) return view.enum.slice(0, 12).map((value) => JSON.stringify(value)).join(" | ");
  const branches = view.anyOf || view.oneOf;
  if (Array.isArray(branches)) return depth > DEPTH_MAX ? "…" : branches.map((part) => typeName(part, root, depth + 1)).join(" | ");
  if (view.type === "array") return depth > DEPTH_MAX ? "array" : "array of " + typeName(view.items ?? true, root, depth + 1);
  const name = Array.isArray(view.type) ? view.type.join(" | ") : view.type || (view.properties ? "object" : "any");
  const title = schema && typeof schema.$ref === "string" ? schema.$ref.split("/").pop() : view.title;
  if (name === "object" && typeof title === "string") return title;
  return view.format ? `${name} (${view.format})` : view.contentEncoding ? `${name} (${view.contentEncoding})` : name;
}

const LIMITS = {
  minimum: "≥ ", exclusiveMinimum: "> ", maximum: "≤ ", exclusiveMaximum: "< ", multipleOf: "multiple of ",
  minLength: "length ≥ ", maxLength: "length ≤ ", pattern: "matches ", minItems: "items ≥ ", maxItems: "items ≤ ",
};

function limits(view) {
  return Object.entries(LIMITS).filter(([key]) => key in view).map(([key, word]) => word + String(view[key])).join(", ");
}

function fields(schema, root, depth) {
  const view = resolve(schema, root);
  const entries = Object.entries(view.properties || {});
  if (!entries.length) return null;
  const required = new Set(view.required || []);
  const rows = entries.map(([name, part]) => {
    const inner = resolve(part, root);
    const notes = [inner.description || part.description, limits(inner)].filter(Boolean).join(" · ");
    const nested = depth < 3 ? fields(inner.type === "array" ? inner.items : part, root, depth + 1) : null;
    return make("tr", {},
      make("td", {}, name),
      make("td", {}, make("code", {}, typeName(part, root))),
      make("td", {}, required.has(name) ? "required" : "default" in inner ? "default " + JSON.stringify(inner.default) : "optional"),
      make("td", {}, notes, nested ? make("details", {}, make("summary", {}, "fields"), nested) : null));
  });
  const head = make("tr", {}, ...["name", "type", "", "notes"].map((word) => make("th", { scope: "col" }, word)));
  return make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows));
}

function shape(title, schema) {
  const known = fields(schema, schema, 0);
  const summary = known || make("p", {}, make("code", {}, typeName(schema, schema)));
  const raw = make("details", {}, make("summary", {}, "JSON Schema"), make("pre", { tabindex: 0 }, JSON.stringify(schema, null, 2)));
  return [make("h3", {}, title), summary, raw];
}

/* Replies */

function pretty(text, spread = true) {
  try { JSON.parse(text); } catch { return text; }
  const empty = /\s*([}\]])/y;
  let out = "", depth = 0, quoted = false;
  const line = () => (spread ? "\n" + "  ".repeat(depth) : "");
  for (let at = 0; at < text.length; at++) {
    const mark = text[at];
    if (quoted) {
      out += mark;
      if (mark === "\\") out += text[++at];
      else if (mark === '"') quoted = false;
    } else if (mark === '"') { quoted = true; out += mark; }
    else if (" \n\r\t".includes(mark)) continue;
    else if (mark === "{" || mark === "[") {
      empty.lastIndex = at + 1;
      const rest = empty.exec(text);
      if (rest) { out += mark + rest[1]; at += rest[0].length; } else { depth++; out += mark + line(); }
    } else if (mark === "}" || mark === "]") { depth--; out += line() + mark; }
    else if (mark === ",") out += mark + (spread ? line() : " ");
    else if (mark === ":") out += ": ";
    else out += mark;
  }
  // Short rows of plain values read better on one line.
  return spread ? out.replace(/\[\n\s+([^\[\]{}"]{1,200}?)\n\s+\]/g, (_, row) => `[${row.replace(/\s*\n\s*/g, " ")}]`) : out;
}

function clipped(text) {
  return text.length <= SHOWN_CHARS_MAX ? text : text.slice(0, SHOWN_CHARS_MAX) + `\n… ${text.length} characters in all`;
}

function bytesOf(count) {
  return count < 1024 ? `${count} bytes` : count < 1048576 ? `${(count / 1024).toFixed(1)} KB` : `${(count / 1048576).toFixed(1)} MB`;
}

async function showStream(response, output, note) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  const lines = [];
  let rest = "", count = 0, scheduled = false;
  const draw = () => {
    scheduled = false;
    output.textContent = clipped(lines.join("\n"));
    note(`${count} item${count === 1 ? "" : "s"}` + (count > lines.length ? `, the last ${lines.length} shown` : ""));
    output.scrollTop = output.scrollHeight;
  };
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const parts = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = parts.pop();
      for (const part of parts) if (part) { lines.push(part); count++; }
      if (lines.length > LINES_MAX) lines.splice(0, lines.length - LINES_MAX);
      if (!scheduled) { scheduled = true; requestAnimationFrame(draw); }
    }
  } finally {
    if (rest) { lines.push(rest); count++; }
    draw();
  }
}

async function showBody(response, output) {
  const media = (response.headers.get("content-type") || "").split(";")[0];
  if (/json$/.test(media)) {
    const text = await response.text();
    output.textContent = clipped(text.length <= SHOWN_CHARS_MAX ? pretty(text) : text);
  } else if (/^text\//.test(media)) output.textContent = clipped(await response.text());
  else {
    const blob = await response.blob();
    const link = make("a", { href: URL.createObjectURL(blob), download: "reply.bin" }, "Save the reply");
    output.replaceChildren(`${bytesOf(blob.size)} of ${media || "unknown type"}  `, link);
  }
}

/* Tasks */

const OVER = ["SUCCEEDED", "FAILED", "TIMED_OUT", "CANCELLED", "DEAD"];

/* Follow a task to its end, or until nobody wants to any more; the browser goes on by itself behind a lost connection. */
function follow(task, output, note, signal) {
  const lines = [];
  const said = (state, progress, message) =>
    note([state.toLowerCase().replace("_", " "), progress ? `${Math.round(progress * 100)} %` : "", message].filter(Boolean).join(" · "));
  return new Promise((resolve) => {
    const source = new EventSource(`/v1/tasks/${task.id}/events`);
    const end = (last) => { source.close(); resolve(last); };
    signal.addEventListener("abort", () => end(null));
    source.addEventListener("state", (event) => {
      task = JSON.parse(event.data);
      said(task.state, task.progress, task.message);
      if (OVER.includes(task.state)) end(task);
    });
    source.addEventListener("progress", (event) => {
      const told = JSON.parse(event.data);
      said(task.state, told.progress, told.message);
    });
    source.addEventListener("log", (event) => {
      lines.push(JSON.parse(event.data).message);
      if (lines.length > LINES_MAX) lines.shift();
      output.textContent = clipped(lines.join("\n"));
      output.scrollTop = output.scrollHeight;
    });
    source.addEventListener("error", () => { if (source.readyState === EventSource.CLOSED) end(null); });
  });
}

async function showTask(response, output, facts, draw, signal) {
  const task = await response.json();
  const state = make("span", { class: "badge" });
  facts.push(make("a", { href: `/v1/tasks/${task.id}` }, `task ${task.id}`), state);
  draw();
  const last = await follow(task, output, (text) => { state.textContent = text; }, signal);
  if (!last) return;
  const result = await fetch(`/v1/tasks/${task.id}/result`, { signal });
  state.classList.add(result.ok ? "good" : "bad");
  await showBody(result, output);
}

/* Snippets */

const quoted = (text) => "'" + text.replaceAll("'", "'\\''") + "'";

/* JSON as a Python literal; escapes of UTF-16 halves mean something else there. */
function python(json) {
  try { JSON.parse(json); } catch { return `json.loads(${JSON.stringify(json)})`; }
  if (/\\[u/]/.test(json)) return `json.loads(${JSON.stringify(json)})`;
  const words = { true: "True", false: "False", null: "None" };
  return json.replace(/"(?:[^"\\]|\\.)*"|true|false|null/g, (token) => words[token] || token);
}

function snippets(entry, body) {
  const input = pretty(body, false);
  const url = `${location.origin}/v1/call/${encodeURIComponent(entry.name)}`;
  const stream = entry.streaming ? " -N -H 'Accept: application/jsonl'" : "";
  const name = JSON.stringify(entry.name), data = python(input);
  const lines = [
    data.startsWith("json.") ? "import asyncio, json" : "import asyncio", "", "import dragoman", "", "",
    "async def main():", `    async with dragoman.connect(${JSON.stringify(location.origin)}) as remote:`,
    ...(entry.streaming
      ? [`        async for item in remote.stream(${name}, ${data}):`, "            print(item)"]
      : [`        print(await remote.call(${name}, ${data}))`]),
    "", "", "asyncio.run(main())",
  ];
  return {
    curl: `curl${stream} ${quoted(url)} \\\n  -H 'Content-Type: application/json' \\\n  --data-raw ${quoted(input)}`,
    Python: lines.join("\n"),
    shell: `dragoman call ${quoted(entry.name)} ${quoted(input)} --url ${quoted(location.origin)}`,
  };
}

function snippetBox(entry, body) {
  let chosen = "curl";
  const code = make("pre", { tabindex: 0, "aria-label": "Snippet" });
  const copy = make("button", { type: "button", onclick: async () => {
    try { await navigator.clipboard.writeText(code.textContent); copy.textContent = "Copied"; }
    catch { getSelection().selectAllChildren(code); copy.textContent = "Selected"; }
    setTimeout(() => { copy.textContent = "Copy"; }, 1500);
  } }, "Copy");
  const tabs = Object.keys(snippets(entry, "{}")).map((name) =>
    make("button", { type: "button", onclick: () => { chosen = name; draw(); } }, name));
  const draw = () => {
    code.textContent = snippets(entry, body.value)[chosen];
    for (const tab of tabs) tab.setAttribute("aria-pressed", String(tab.textContent === chosen));
  };
  body.addEventListener("input", draw);
  draw();
  return [make("h3", {}, "From elsewhere"), make("div", { class: "tabs", role: "group", "aria-label": "Languages" }, ...tabs),
    make("div", { class: "snippet" }, code, copy)];
}

/* One function */

let running = null;
const drafts = new Map();

function callBox(entry) {
  const first = pretty(JSON.stringify(example(entry.input, entry.input, 0) ?? {}));
  const body = make("textarea", { id: "body", spellcheck: "false", autocapitalize: "off", "aria-describedby": "hint" });
  body.value = drafts.get(entry.name) ?? first;
  body.rows = Math.min(Math.max(body.value.split("\n").length, 6), 24);
  const timeout = make("input", { type: "text", id: "timeout", placeholder: entry.timeout_s ? `${entry.timeout_s}s` : "none" });
  const file = make("input", { type: "file", id: "file" });
  const call = make("button", { type: "button", class: "main", onclick: () => run() }, "Call");
  const submit = make("button", { type: "button", title: "Store it before it runs, and follow it", onclick: () => run(true) }, "Submit as a task");
  const stop = make("button", { type: "button", disabled: true, onclick: () => running && running.abort() }, "Stop");
  const reset = make("button", { type: "button", onclick: () => { body.value = first; body.dispatchEvent(new Event("input")); } }, "Reset");
  const status = make("div", { class: "row", role: "status", "aria-live": "polite" });
  const output = make("pre", { tabindex: 0, "aria-label": "Reply", hidden: true });
  body.addEventListener("input", () => {
    drafts.set(entry.name, body.value);
    let valid = true;
    try { JSON.parse(body.value); } catch { valid = false; }
    body.setAttribute("aria-invalid", String(!valid));
  });
  body.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); run(); }
  });

  async function run(later = false) {
    if (running) running.abort();
    const mine = running = new AbortController();
    const headers = { "Content-Type": "application/json" };
    if (entry.streaming && !later) headers.Accept = "application/jsonl";
    if (later) headers.Prefer = "respond-async";
    if (timeout.value.trim()) headers["Dragoman-Timeout"] = timeout.value.trim();
    let payload = body.value;
    if (entry.raw_input && file.files.length) { payload = file.files[0]; headers["Content-Type"] = "application/octet-stream"; }
    call.disabled = submit.disabled = true; stop.disabled = false; output.hidden = false;
    output.textContent = "";
    status.replaceChildren(make("span", { class: "quiet" }, "Calling…"));
    const began = performance.now();
    const facts = [];
    const draw = (...more) => status.replaceChildren(...facts, ...more);
    try {
      const response = await fetch(`/v1/call/${encodeURIComponent(entry.name)}`, { method: "POST", headers, body: payload, signal: mine.signal });
      facts.push(make("span", { class: "badge " + (response.ok ? "good" : "bad") }, `${response.status} ${response.statusText}`.trim()));
      const id = response.headers.get("dragoman-call-id");
      if (id) facts.push(make("span", { class: "quiet" }, `call ${id}`));
      const timing = response.headers.get("server-timing");
      if (timing) facts.push(make("span", { class: "quiet" }, timing.replaceAll(";dur=", " ").replaceAll(",", " ·") + " ms"));
      draw();
      const counted = make("span", {});
      if (response.status === 202) await showTask(response, output, facts, draw, mine.signal);
      else if (response.ok && entry.streaming) { facts.push(counted); await showStream(response, output, (text) => { counted.textContent = text; }); }
      else await showBody(response, output);
      draw(make("span", { class: "quiet" }, `${(performance.now() - began).toFixed(1)} ms here`));
    } catch (error) {
      const words = mine.signal.aborted ? "stopped" : `no complete answer: ${error.message}`;
      draw(make("span", { class: "badge bad" }, words));
    } finally {
      if (running === mine) running = null;
      call.disabled = submit.disabled = false; stop.disabled = true;
    }
  }

  const raw = entry.raw_input ? make("label", { for: "file" }, "or raw bytes from", file) : null;
  return [
    make("h3", {}, make("label", { for: "body" }, "Input")), body,
    make("p", { id: "hint", class: "hidden" }, "JSON. Control and Enter call the function."),
    make("div", { class: "row" }, call, submit, stop, reset, raw, make("span", { class: "grow" }),
      make("label", { for: "timeout" }, "Timeout", timeout)),
    status, output, ...snippetBox(entry, body),
  ];
}

function badges(entry) {
  const words = [entry.language, entry.mode, entry.version && `v${entry.version}`,
    entry.timeout_s !== null && `timeout ${entry.timeout_s}s`, entry.streaming && "streams", entry.idempotent && "idempotent",
    entry.raw_input && "takes bytes", entry.raw_output && "gives bytes"];
  return make("div", { class: "badges" }, ...words.filter(Boolean).map((word) => make("span", { class: "badge" }, word)));
}

function show(entry) {
  if (running) running.abort();
  document.title = `${entry.name} – ${$("service").textContent}`;
  $("main").replaceChildren(
    make("h2", {}, entry.name), badges(entry),
    make("p", { class: "description" }, entry.description || "No description."),
    ...callBox(entry), ...shape("Takes", entry.input), ...shape(entry.streaming ? "Gives, item by item" : "Gives", entry.output));
  $("main").scrollTop = 0;
}

/* The list */

let entries = [];
let shown = null;

function chosenName() {
  try { return decodeURIComponent(location.hash.slice(1)); } catch { return ""; }
}

function list() {
  const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = entries.filter((entry) => words.every((word) => `${entry.name} ${entry.description} ${entry.language}`.toLowerCase().includes(word)));
  const sources = new Map();
  for (const entry of found) sources.set(entry.source, [...(sources.get(entry.source) || []), entry]);
  $("functions").replaceChildren(...[...sources].map(([source, group]) => make("section", {}, make("h2", {}, source),
    make("ul", {}, ...group.map((entry) => make("li", {}, make("a", { href: "#" + encodeURIComponent(entry.name) }, entry.name)))))));
  $("count").textContent = found.length === entries.length ? `${found.length} functions` : `${found.length} of ${entries.length} functions`;
  mark();
}

function mark() {
  for (const link of $("functions").querySelectorAll("a")) {
    if (shown && link.textContent === shown.name) { link.setAttribute("aria-current", "page"); link.scrollIntoView({ block: "nearest" }); }
    else link.removeAttribute("aria-current");
  }
}

function open() {
  if (location.hash === "#main") return;
  const entry = entries.find((each) => each.name === chosenName()) || (location.hash ? null : entries[0]);
  if (entry && entry === shown) return;
  shown = entry;
  if (entry) show(entry);
  else $("main").replaceChildren(make("p", { class: "quiet" }, entries.length ? "No such function." : "This host serves no functions yet."));
  mark();
}

function keys(event) {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
  if (event.key === "/" && !typing) { event.preventDefault(); $("search").focus(); return; }
  const inList = event.target.id === "search" || event.target.closest?.("#functions");
  if (!inList || !["ArrowDown", "ArrowUp", "Escape", "Enter"].includes(event.key)) return;
  const links = [...$("functions").querySelectorAll("a")];
  if (event.key === "Escape") { $("search").value = ""; list(); $("search").focus(); }
  else if (event.key === "Enter") { if (event.target.id === "search" && links.length) links[0].click(); return; }
  else {
    const next = links.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
    if (next < 0) $("search").focus(); else if (next < links.length) links[next].focus();
  }
  event.preventDefault();
}

async function start() {
  $("search").addEventListener("input", list);
  addEventListener("hashchange", open);
  addEventListener("keydown", keys);
  try {
    const response = await fetch("/v1/functions");
    if (!response.ok) throw new Error(`the listing answered ${response.status}`);
    const listing = await response.json();
    entries = listing.functions;
    $("service").textContent = listing.service || "Functions";
    list();
    open();
  } catch (error) {
    $("main").replaceChildren(make("p", { class: "bad" }, `The functions cannot be shown: ${error.message}. Reload to try again.`));
  }
  try {
    const { ready, reasons } = await (await fetch("/health/ready")).json();
    $("ready").textContent = ready ? "ready" : "not ready";
    $("ready").title = Object.entries(reasons).map(([source, reason]) => `${source}: ${reason}`).join("\n");
    $("ready").classList.add(ready ? "good" : "bad");
  } catch { /* the listing has told it */ }
}

start();
