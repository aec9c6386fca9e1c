"""A client in Rust: serde types for the crate of the SDK, and an asynchronous method for each function."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dragoman.generate.cycle import held, in_place
from dragoman.generate.integer import BIG, width, width_of
from dragoman.generate.model import (
    Binary,
    Boolean,
    Constant,
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
from dragoman.generate.naming import Scope, pascal, snake
from dragoman.generate.surface import client_name
from dragoman.generate.writing import Source, heading, paragraph, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

KEYWORDS = frozenset({
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod",
    "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true",
    "try", "type", "typeof", "union", "unsafe", "unsized", "use", "virtual", "where", "while", "yield", "Self",
})  # fmt: skip
_INTEGERS = {f"{sign}int{bits}": f"{'u' if sign else 'i'}{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
_FORMATS = {
    "date-time": "dragoman::values::Moment",
    "date": "dragoman::values::Date",
    "time": "dragoman::values::Time",
    "duration": "dragoman::values::Duration",
    "uuid": "dragoman::values::Uuid",
    "decimal": "dragoman::values::Decimal",
}
_PLAIN = re.compile(r"[A-Za-z\"'(][^`<~\\]*|")
"""A line that is a paragraph whatever reads it: no list, no code, no markup."""
_DERIVE = "#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]"
_PRESENT = """
fn present<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: serde::Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    serde::Deserialize::deserialize(deserializer).map(Some)
}
"""


def render(surface: Surface, package: str, version: str) -> dict[str, str]:
    """The files of the client."""
    del package  # a folder's name is its module's
    printer = _Printer(surface)
    source = printer.source
    source.add(f"// {heading(surface.service, version)}")
    source.add("//! Calls of functions, typed. The crates `dragoman` and `serde` (with `derive`) are needed.", "")
    source.add("#![allow(dead_code, clippy::all, clippy::pedantic)]")
    printer.declarations()
    for group in surface.groups:
        if group.source:
            printer.group(group)
    printer.client(client_name(surface.service))
    if printer.needs_present:
        source.add(*_PRESENT.rstrip("\n").split("\n"))
    return {"mod.rs": source.text()}


class _Printer:
    def __init__(self, surface: Surface) -> None:
        self.source = Source()
        self.needs_present = False
        self._surface = surface
        self._held = held(surface)
        self._streamed = surface.streamed()

    def declarations(self) -> None:
        """Every named type."""
        for each in self._surface.declarations:
            self.source.add("")
            self._told(each.about)
            if isinstance(each, Record):
                self._record(each)
            elif isinstance(each, Union):
                self._union(each)
            elif all(isinstance(value, str) for value in each.values):
                self._texts(each)
            else:
                self._integers(each)

    def _told(self, paragraphs: Iterable[str]) -> None:
        lines = [line for text in paragraphs for line in ("", *paragraph(text))][1:]
        if any(_PLAIN.fullmatch(line) is None for line in lines):
            # As text between fences, which nothing in it closes: no line of a description becomes a test to be run.
            lines = ["```text", *(line.replace("```", "'''") for line in lines), "```"]
        self.source.add(*(f"/// {line}".rstrip() for line in lines))

    def _record(self, record: Record) -> None:
        source, scope = self.source, Scope(KEYWORDS)
        source.add(_DERIVE)
        with source.block(f"pub struct {record.name} {{"):
            for field in record.fields:
                if field.wire == self._streamed.get(record.name):
                    continue
                self._told(_told(field))
                name = scope.name(snake(field.wire))
                kind = self._place(record.name, field.kind)
                options = [] if name == field.wire else [f"rename = {text(field.wire)}"]
                if not field.required:
                    kind = f"Option<{kind}>"
                    options += ["default", 'skip_serializing_if = "Option::is_none"']
                    if isinstance(field.kind, Nullable):
                        self.needs_present = True
                        options.append('deserialize_with = "present"')
                if options:
                    source.add(f"#[serde({', '.join(options)})]")
                source.add(f"pub {name}: {kind},")

    def _place(self, owner: str, kind: Kind) -> str:
        """A kind where it lies in a record: in a box, where it may hold that record itself."""
        boxed = any(name == owner or owner in self._held.get(name, ()) for name in in_place(kind))
        if isinstance(kind, Nullable):
            inner = self.kind(kind.inner)
            return f"Option<Box<{inner}>>" if boxed else f"Option<{inner}>"
        return f"Box<{self.kind(kind)}>" if boxed else self.kind(kind)

    def _texts(self, each: Enumeration) -> None:
        source, scope = self.source, Scope(KEYWORDS)
        source.add(_DERIVE.replace("Debug,", "Copy, Debug, Eq, Hash,"))
        with source.block(f"pub enum {each.name} {{"):
            for value in each.values:
                source.add(f"#[serde(rename = {text(str(value))})]", f"{scope.name(pascal(str(value)))},")

    def _integers(self, each: Enumeration) -> None:
        values = tuple(value for value in each.values if isinstance(value, int))
        name = width_of(values)
        if name == BIG:
            self.source.add(f"pub type {each.name} = dragoman::values::BigInt;")
            return
        source, plain = self.source, _INTEGERS[name]
        cases = [(f"Minus{-value}" if value < 0 else f"Value{value}", value) for value in values]
        source.add(_DERIVE.replace("Debug,", "Copy, Debug, Eq, Hash,"))
        source.add(f'#[serde(try_from = "{plain}", into = "{plain}")]')
        with source.block(f"pub enum {each.name} {{"):
            source.add(*(f"{case}," for case, _ in cases))
        source.add("")
        with (
            source.block(f"impl From<{each.name}> for {plain} {{"),
            source.block(f"fn from(value: {each.name}) -> {plain} {{"),
            source.block("match value {"),
        ):
            source.add(*(f"{each.name}::{case} => {value}," for case, value in cases))
        source.add("")
        with source.block(f"impl TryFrom<{plain}> for {each.name} {{"):
            source.add("type Error = String;", "")
            with (
                source.block(f"fn try_from(value: {plain}) -> Result<{each.name}, String> {{"),
                source.block("match value {"),
            ):
                source.add(*(f"{value} => Ok({each.name}::{case})," for case, value in cases))
                source.add(f'other => Err(format!("{{other}} is no {each.name}")),')

    def _union(self, union: Union) -> None:
        source, scope = self.source, Scope(KEYWORDS)
        cases = [(scope.name(pascal(value)), value, name) for value, name in union.cases]
        source.add("#[derive(Clone, Debug, PartialEq, serde::Serialize)]", f"#[serde(tag = {text(union.tag)})]")
        with source.block(f"pub enum {union.name} {{"):
            for case, value, name in cases:
                boxed = f"Box<{name}>" if name in self._held.get(name, ()) else name
                source.add(f"#[serde(rename = {text(value)})]", f"{case}({boxed}),")
        source.add("")
        # Not derived: serde would keep the value in a form of its own, which rounds what is wider than 64 bits.
        with (
            source.block(f"impl<'de> serde::Deserialize<'de> for {union.name} {{"),
            source.block(
                f"fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<{union.name}, D::Error> {{"
            ),
        ):
            source.add("let value = <dragoman::Value as serde::Deserialize>::deserialize(deserializer)?;")
            source.add(f"let tag = value.get({text(union.tag)}).and_then(dragoman::Value::as_str).map(String::from);")
            with source.block("let read = match tag.as_deref() {", "};"):
                for case, value, _ in cases:
                    source.add(
                        f"Some({text(value)}) => serde::Deserialize::deserialize(value).map({union.name}::{case}),"
                    )
                known = text(f"{union.tag} must be one of {', '.join(value for _, value, _ in cases)}")
                source.add(f"_ => return Err(serde::de::Error::custom({known})),")
            source.add("read.map_err(serde::de::Error::custom)")

    def kind(self, kind: Kind) -> str:  # noqa: C901, PLR0911, PLR0912 - one return for each kind
        """A kind as a type of Rust."""
        match kind:
            case Boolean():
                return "bool"
            case Integer():
                return _INTEGERS.get(width(kind, big=self._surface.big_integers), "dragoman::values::BigInt")
            case Number():
                return "f64"
            case Text(format=name):
                return _FORMATS.get(name, "String")
            case Binary():
                return "dragoman::values::Bytes"
            case Nothing():
                return "()"
            case Constant(value=value):
                return (
                    "String"
                    if isinstance(value, str)
                    else _INTEGERS.get(width_of((value,)), "dragoman::values::BigInt")
                )
            case Listing(item=item):
                return f"Vec<{self.kind(item)}>"
            case Mapping(value=value):
                return f"std::collections::BTreeMap<String, {self.kind(value)}>"
            case Row(members=members):
                return f"({''.join(f'{self.kind(member)}, ' for member in members).rstrip()})"
            case Named(name=name):
                return name
            case Nullable(inner=inner):
                return f"Option<{self.kind(inner)}>"
            case _:
                return "dragoman::Value"

    def group(self, group: Group) -> None:
        """The struct with a source's functions."""
        source, name = self.source, group.name
        source.add("")
        self._told([f"The functions of {group.source}."])
        source.add("#[derive(Clone)]")
        with source.block(f"pub struct {name} {{"):
            source.add("client: dragoman::Client,")
        self._functions(name, group.functions, Scope(KEYWORDS))

    def client(self, name: str) -> None:
        """The struct that has it all."""
        source, scope = self.source, Scope(KEYWORDS | {"client", "new"})
        groups = [(scope.name(snake(each.source)), each.name) for each in self._surface.groups if each.source]
        source.add("", "/// Every function, by its source.", "#[derive(Clone)]")
        with source.block(f"pub struct {name} {{"):
            source.add("client: dragoman::Client,")
            for field, kind in groups:
                source.add(f"pub {field}: {kind},")
        source.add("")
        with source.block(f"impl {name} {{"):
            source.add("/// Calls by this connection; each clone of a client may have a timeout of its own.")
            with (
                source.block(f"pub fn new(client: &dragoman::Client) -> {name} {{"),
                source.block(f"{name} {{"),
            ):
                source.add("client: client.clone(),")
                for field, kind in groups:
                    source.add(f"{field}: {kind} {{ client: client.clone() }},")
        for group in self._surface.groups:
            if not group.source:
                self._functions(name, group.functions, scope)

    def _functions(self, owner: str, functions: Iterable[Function], scope: Scope) -> None:
        self.source.add("")
        with self.source.block(f"impl {owner} {{"):
            for place, function in enumerate(functions):
                self.source.add(*([""] if place else []))
                self._function(function, scope.name(snake(function.own)))

    def _function(self, function: Function, name: str) -> None:
        source = self.source
        self._told(function.about or (f"Call {function.full}.",))
        output = "dragoman::Raw" if function.raw_output else self.kind(function.output)
        item = self._item(function)
        reply = f"dragoman::Items<{output}>" if function.streaming else f"dragoman::Reply<{output}>" if item else output
        if item:
            reply = f"(dragoman::Input<{item}>, {reply})"
        parameter = "" if function.input is None else f", input: {self.kind(function.input)}"
        given = "dragoman::Value::Map(Vec::new())" if function.input is None else "input"
        method = ("stream" if function.streaming else "call") + ("_with_input" if item else "")
        with source.block(f"pub async fn {name}(&self{parameter}) -> Result<{reply}, dragoman::Fault> {{"):
            source.add(f"self.client.{method}({text(function.full)}, {given}).await")

    def _item(self, function: Function) -> str:
        """What the function's input stream is made of; empty where it has none."""
        record = self._surface.record(function.input)
        if record is None or not function.input_stream or function.whole:
            return ""
        kind = next(each.kind for each in record.fields if each.wire == function.input_stream)
        return self.kind(kind.item) if isinstance(kind, Listing) else ""


def _told(field: Field) -> tuple[str, ...]:
    always = (f"Always {field.kind.value}.",) if isinstance(field.kind, Constant) else ()
    told = (*field.about, *always)
    return (*told, "Deprecated.") if field.deprecated else told


def text(value: str) -> str:
    """Text as Rust writes it."""
    return quoted(value)
