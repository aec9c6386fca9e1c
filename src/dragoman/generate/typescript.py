"""A client in TypeScript, or in JavaScript with its declarations beside it.

Values are what the package for Node gives: bytes alone may come as text, where a body has an integer that only JSON can
say, so replies that have bytes are looked through.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dragoman.generate.model import (
    Binary,
    Boolean,
    Constant,
    Declaration,
    Either,
    Enumeration,
    Field,
    Function,
    Group,
    Integer,
    Kind,
    Listing,
    Mapping,
    Named,
    Nothing,
    Nullable,
    Number,
    Record,
    Row,
    Surface,
    Text,
    Union,
)
from dragoman.generate.naming import Scope, camel
from dragoman.generate.readers import readers, used_in
from dragoman.generate.surface import client_name
from dragoman.generate.writing import Source, heading, quoted

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

KEYWORDS = frozenset({
    "arguments", "await", "break", "case", "catch", "class", "const", "constructor", "continue", "debugger", "default",
    "delete", "do", "else", "enum", "eval", "export", "extends", "false", "finally", "for", "function", "if",
    "implements", "import", "in", "instanceof", "interface", "let", "new", "null", "package", "private", "protected",
    "prototype", "public", "return", "static", "super", "switch", "this", "then", "throw", "true", "try", "typeof",
    "undefined", "var", "void", "while", "with", "yield", "caller",
})  # fmt: skip
"""What no member is called: keywords, what is special on every object, and the field of ours."""
_EXACT = 2**53 - 1
_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


def render(surface: Surface, package: str, version: str) -> dict[str, str]:
    """A client in TypeScript."""
    del package  # a folder's name is its module's
    printer = _Printer(surface, typed=True, bodies=True)
    return {"index.ts": printer.text(version)}


def render_node(surface: Surface, package: str, version: str) -> dict[str, str]:
    """A client in JavaScript, and its declarations."""
    del package  # as above
    code, types = _Printer(surface, typed=False, bodies=True), _Printer(surface, typed=True, bodies=False)
    return {"index.mjs": code.text(version), "index.d.mts": types.text(version)}


class _Printer:
    """`typed` writes types, `bodies` what runs: TypeScript has both."""

    def __init__(self, surface: Surface, *, typed: bool, bodies: bool) -> None:
        self.source = Source("  ")
        self._surface = surface
        self._typed = typed
        self._bodies = bodies
        self._streamed = surface.streamed()
        self._binary = _binary(surface)

    def text(self, version: str) -> str:
        """The whole file."""
        source, surface = self.source, self._surface
        source.add(f"// {heading(surface.service, version)}", "")
        if self._typed:
            source.add('import type { CallOptions, Context } from "dragoman";', "")
            self._told(["What functions are called through: a client of `connect` or `open`, or a function's context."])
            source.add('export type Caller = Pick<Context, "call" | "stream">;')
            for each in surface.declarations:
                self._declare(each)
        if self._bodies:
            self._readers()
        for group in surface.groups:
            if group.source:
                self._group(group)
        self._client(client_name(surface.service))
        return source.text()

    def _told(self, paragraphs: Iterable[str]) -> None:
        self.source.boxed([each.replace("@", "&#64;") for each in paragraphs])

    def _declare(self, each: Declaration) -> None:
        self.source.add("")
        self._told(each.about)
        if isinstance(each, Enumeration):
            self.source.add(f"export type {each.name} = {' | '.join(map(_literal, each.values))};")
        elif isinstance(each, Union):
            self.source.add(f"export type {each.name} = {' | '.join(dict.fromkeys(name for _, name in each.cases))};")
        else:
            self._record(each)

    def _record(self, record: Record) -> None:
        if not record.fields and record.tag is None:
            self.source.add(f"export type {record.name} = Record<string, never>;")
            return
        with self.source.block(f"export interface {record.name} {{"):
            if record.tag is not None:
                self.source.add(f"{_key(record.tag[0])}: {text(record.tag[1])};")
            for field in record.fields:
                self._told(_told(field))
                kind = self.kind(field.kind)
                if field.wire == self._streamed.get(record.name) and isinstance(field.kind, Listing):
                    item = self.kind(field.kind.item)
                    kind = f"AsyncIterable<{item}> | IterableIterator<{item}> | {_array(item)}"
                self.source.add(f"{_key(field.wire)}{'' if field.required else '?'}: {kind};")

    def kind(self, kind: Kind) -> str:  # noqa: C901, PLR0911, PLR0912 - one return for each kind
        """A kind as a type of TypeScript."""
        match kind:
            case Boolean():
                return "boolean"
            case Integer(minimum=least, maximum=most):
                exact = least is not None and most is not None and least >= -_EXACT and most <= _EXACT
                return "number" if exact else "number | bigint"
            case Number():
                return "number"
            case Text():
                return "string"
            case Binary():
                return "Uint8Array"
            case Nothing():
                return "null"
            case Constant(value=value):
                return _literal(value)
            case Listing(item=item):
                return _array(self.kind(item))
            case Mapping(value=value):
                return f"{{ [key: string]: {self.kind(value)} }}"
            case Row(members=members):
                return f"[{', '.join(map(self.kind, members))}]"
            case Named(name=name):
                return name
            case Nullable(inner=inner):
                return f"{self.kind(inner)} | null"
            case Either(kinds=kinds):
                return " | ".join(dict.fromkeys(map(self.kind, kinds)))
            case _:
                return "any"

    def _readers(self) -> None:
        """The functions that find bytes, as far as replies have them."""
        functions = [each for group in self._surface.groups for each in group.functions if self._read(each.output)]
        wanted, used = [self._read(each.output) for each in functions], set[str]()
        if not wanted:
            return
        if any(each.streaming for each in functions):
            used.add("each")
        lines = dict[str, str]()
        while wanted:
            code = wanted.pop()
            used |= used_in(code)
            for each in self._surface.declarations:
                if each.name not in lines and re.search(rf"\bread{each.name}\b", code):
                    made = self._reader_of(each)
                    lines[each.name] = f"const read{each.name}{': Read' if self._typed else ''} = {made};"
                    wanted.append(made)
        self.source.add("", *readers(used, typed=self._typed))
        self.source.add(*([""] if lines else []), *(lines[name] for name in sorted(lines)))

    def _reader_of(self, each: Declaration) -> str:
        if isinstance(each, Union):
            cases = [f"{_entry(value)}: read{name}" for value, name in each.cases if name in self._binary]
            return f"union({text(each.tag)}, () => ({{ {', '.join(cases)} }}))"
        assert isinstance(each, Record), "a choice has no bytes"
        reads = [(field.wire, self._read(field.kind)) for field in each.fields]
        entries = ", ".join(f"{_entry(wire)}: {read}" for wire, read in reads if read)
        return f"record(() => ({{ {entries} }}))"

    def _read(self, kind: Kind) -> str:
        return _reader(kind, self._binary)

    @contextmanager
    def _class(self, name: str, fields: list[tuple[str, str]], *, calls: bool = True) -> Generator[None]:
        source, prefix = self.source, "export class" if self._bodies else "export declare class"
        with source.block(f"{prefix} {name} {{"):
            if self._typed:
                kept = "private readonly caller: Caller;" if self._bodies else "private readonly caller;"
                source.add(*([kept] if calls else []), *(f"readonly {field}: {kind};" for field, kind in fields), "")
            if self._bodies:
                with source.block(f"constructor(caller{': Caller' if self._typed else ''}) {{"):
                    source.add(*(["this.caller = caller;"] if calls else []))
                    source.add(*(f"this.{field} = new {kind}(caller);" for field, kind in fields))
            else:
                source.add("constructor(caller: Caller);")
            yield

    def _group(self, group: Group) -> None:
        self.source.add("")
        self._told([f"The functions of {group.source}."])
        with self._class(group.name, []):
            self._functions(group.functions, Scope(KEYWORDS))

    def _client(self, name: str) -> None:
        scope = Scope(KEYWORDS)
        fields = [(scope.name(camel(each.source)), each.name) for each in self._surface.groups if each.source]
        self.source.add("")
        self._told([f"Every function of {self._surface.service}, by its source."])
        calls = any(not group.source for group in self._surface.groups)
        with self._class(name, fields, calls=calls):
            for group in self._surface.groups:
                if not group.source:
                    self._functions(group.functions, scope)

    def _functions(self, functions: Iterable[Function], scope: Scope) -> None:
        for function in functions:
            self._function(function, scope.name(camel(function.own)))

    def _function(self, function: Function, name: str) -> None:
        source = self.source
        source.add("")
        self._told(function.about or (f"Call {function.full}.",))
        record = self._surface.record(function.input)
        free = record is not None and not any(field.required for field in record.fields)
        output = self.kind(function.output)
        output = "void" if isinstance(function.output, Nothing) and not function.streaming else output
        parameters = [] if function.input is None else ["input"]
        if self._typed:
            parameters = [] if function.input is None else [f"input: {self.kind(function.input)}"]
            parameters = [f"{each}{' = {}' if self._bodies and free else ''}" for each in parameters]
            if free and not self._bodies:
                parameters = [each.replace("input:", "input?:", 1) for each in parameters]
            parameters.append("options?: CallOptions")
        else:
            parameters = [f"{each}{' = {}' if free else ''}" for each in parameters] + ["options"]
        given = "{}" if function.input is None else "input as object" if self._typed else "input"
        result = f"AsyncIterableIterator<{output}>" if function.streaming else f"Promise<{output}>"
        head = f"{name}({', '.join(parameters)}){f': {result}' if self._typed else ''}"
        if not self._bodies:
            source.add(f"{head};")
            return
        with source.block(f"{head} {{"):
            source.add(self._call(function, given, output))

    def _call(self, function: Function, given: str, output: str) -> str:
        read = self._read(function.output)
        method = "stream" if function.streaming else "call"
        kind = f"<{output}>" if self._typed else ""
        options = "options" if not function.raw_output else '{ reply: "bytes", ...options }'
        call = f"this.caller.{method}{kind}({text(function.full)}, {given}, {options})"
        if not read:
            return f"return {call};"
        return f"return each({call}, {read});" if function.streaming else f"return {call}.then({read});"


def _binary(surface: Surface) -> set[str]:
    """The declarations that have bytes in them, however deep."""
    found: set[str] = set()
    while True:
        more = {each.name for each in surface.declarations if each.name not in found and _has_bytes(each, found)}
        if not more:
            return found
        found |= more


def _has_bytes(each: Declaration, known: set[str]) -> bool:
    if isinstance(each, Union):
        return any(name in known for _, name in each.cases)
    return isinstance(each, Record) and any(_reader(field.kind, known) for field in each.fields)


def _reader(kind: Kind, binary: set[str]) -> str:  # noqa: PLR0911 - one return for each kind
    """How bytes in a value of a kind are found; empty where there are none. `binary` are the names that have some."""
    match kind:
        case Binary():
            return "bytes"
        case Listing(item=inner):
            made = _reader(inner, binary)
            return f"list({made})" if made else ""
        case Mapping(value=inner):
            made = _reader(inner, binary)
            return f"map({made})" if made else ""
        case Nullable(inner=inner):
            made = _reader(inner, binary)
            return f"nullable({made})" if made else ""
        case Row(members=members):
            reads = [_reader(member, binary) for member in members]
            return f"row([{', '.join(read or 'undefined' for read in reads)}])" if any(reads) else ""
        case Named(name=name) if name in binary:
            return f"read{name}"
        case _:
            return ""


def _array(item: str) -> str:
    return f"{item}[]" if _IDENTIFIER.fullmatch(item) else f"({item})[]"


def _literal(value: str | int) -> str:
    if isinstance(value, str):
        return text(value)
    return str(value) if abs(value) <= _EXACT else f"{value}n"


def _key(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) else text(name)


def _entry(name: str) -> str:
    # In a literal of an object, that name alone would set what it is made after.
    return '["__proto__"]' if name == "__proto__" else _key(name)


def _told(field: Field) -> tuple[str, ...]:
    return (*field.about, "Deprecated.") if field.deprecated else field.about


def text(value: str) -> str:
    """Text as JavaScript writes it."""
    return quoted(value)
