"""Functions of JavaScript that look through a reply for bytes which came as text.

They do where a body holds an integer that only JSON can say. Only those that a client needs are written into it.
"""

from __future__ import annotations

import re

_READERS = {
    "bytes": 'const bytes: Read = (value) => (typeof value === "string" ? Buffer.from(value, "base64") : value);',
    "nullable": "const nullable = (read: Read): Read => (value) => (value === null ? null : read(value));",
    "list": """const list = (read: Read): Read => (value) =>
  Array.isArray(value) ? value.map((each) => read(each)) : value;""",
    "row": """const row = (reads: (Read | undefined)[]): Read => (value) =>
  Array.isArray(value) ? value.map((each, at) => reads[at]?.(each) ?? each) : value;""",
    "map": """const map = (read: Read): Read => (value) => {
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, read(each)]));
};""",
    "record": """const record = (reads: () => { [key: string]: Read }): Read => (value) => {
  if (typeof value !== "object" || value === null) return value;
  for (const [key, read] of Object.entries(reads())) if (Object.hasOwn(value, key)) value[key] = read(value[key]);
  return value;
};""",
    "union": """const union = (tag: string, cases: () => { [value: string]: Read }): Read => (value) => {
  if (typeof value !== "object" || value === null) return value;
  const read = Object.entries(cases()).find(([name]) => name === value[tag]);
  return read ? read[1](value) : value;
};""",
    "each": """async function* each(items: AsyncIterable<any>, read: Read): AsyncIterableIterator<any> {
  for await (const item of items) yield read(item);
}""",
}
_TYPE = "type Read = (value: any) => any;"
_NOTES = re.compile(
    r"(?<=[a-z)]): (?:Read|string|\(Read \| undefined\)\[\]|\(\) => \{ \[(?:key|value): string\]: Read \}|"
    r"AsyncIterable(?:Iterator)?<any>)(?=[,) ])"
)


def readers(used: set[str], *, typed: bool) -> list[str]:
    """The lines of those that are used."""
    lines = [line for name, code in _READERS.items() if name in used for line in code.split("\n")]
    return [_TYPE, *lines] if typed else [_NOTES.sub("", line) for line in lines]


def used_in(code: str) -> set[str]:
    """Which of them an expression calls by name, or hands over."""
    return {name for name in _READERS if re.search(rf"\b{name}\b", code)}
