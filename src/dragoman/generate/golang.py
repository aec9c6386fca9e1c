"""A client in Go: structs for the library of the SDK, and a method for each function."""

from __future__ import annotations

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
from dragoman.generate.naming import Scope, exported, snake
from dragoman.generate.surface import client_name
from dragoman.generate.writing import Source, heading, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

SDK = "github.com/dragoman/dragoman/sdk/go"
KEYWORDS = frozenset({
    "break", "case", "chan", "const", "continue", "default", "defer", "else", "fallthrough", "for", "func", "go",
    "goto", "if", "import", "interface", "map", "package", "range", "return", "select", "struct", "switch", "type",
    "var",
})  # fmt: skip
_FORMATS = {
    "date-time": ("time.Time", "time"),
    "date": ("dragoman.Date", ""),
    "time": ("dragoman.TimeOfDay", ""),
    "duration": ("time.Duration", "time"),
    "uuid": ("dragoman.UUID", ""),
    "decimal": ("dragoman.Decimal", ""),
}


def render(surface: Surface, package: str, version: str) -> dict[str, str]:
    """The files of the client."""
    printer = _Printer(surface)
    printer.declarations()
    for group in surface.groups:
        if group.source:
            printer.group(group)
    printer.client(client_name(surface.service))
    source = Source("\t")
    name = snake(package)
    source.add(f"// {heading(surface.service, version)}", "")
    source.comment([f"Package {name} calls the functions of {surface.service}, typed."], "//")
    source.add(f"package {name}_" if name in KEYWORDS else f"package {name}", "")
    with source.block("import (", ")"):
        source.add(*(f'"{path}"' for path in sorted(printer.imports)), "", f'"{SDK}"')
    return {"client.go": source.text() + printer.source.text()}


class _Printer:
    def __init__(self, surface: Surface) -> None:
        self.source = Source("\t")
        self.imports = set[str]()
        self._surface = surface
        self._held = held(surface)
        self._scope = Scope(frozenset(each.name for each in surface.declarations))
        self._streamed = surface.streamed()
        self._odd = surface.unsayable(odd)
        for group in surface.groups:
            if group.source:
                self._scope.name(group.name)

    def declarations(self) -> None:
        """Every named type, and what makes values for fields that may be absent."""
        source, registered = self.source, list[Union]()
        source.add("", "// Pointer gives a value for a field that may be absent or null.")
        source.add("func Pointer[T any](value T) *T { return &value }")
        for each in self._surface.declarations:
            source.add("")
            source.comment(each.about or (f"{each.name} is part of the contracts.",), "//")
            if each.name in self._odd:
                source.add(f"type {each.name} = map[string]any")
            elif isinstance(each, Record):
                self._record(each)
            elif isinstance(each, Enumeration):
                self._enumeration(each)
            else:
                registered.append(each)
                source.add(f"type {each.name} interface{{ is{each.name}() }}", "")
                source.add(*(f"func ({name}) is{each.name}() {{}}" for _, name in each.cases))
        if registered:
            source.add("")
            with source.block("func init() {"):
                for union in registered:
                    cases = ", ".join(f"{text(value)}: {name}{{}}" for value, name in union.cases)
                    source.add(f"dragoman.RegisterUnion({text(union.tag)}, map[string]{union.name}{{{cases}}})")

    def _record(self, record: Record) -> None:
        # The methods of unions are named in lower case, so no field can be one of theirs.
        scope = Scope()
        with self.source.block(f"type {record.name} struct {{"):
            for field in record.fields:
                self.source.comment(_told(field), "//")
                name = scope.name(exported(field.wire))
                if field.wire == self._streamed.get(record.name) and isinstance(field.kind, Listing):
                    self.imports.add("iter")
                    kind, option = f"iter.Seq2[{self.kind(field.kind.item)}, error]", ""
                else:
                    kind, option = self._field(record, field)
                tag = f"json:{text(field.wire + option)}"
                self.source.add(f"{name} {kind} {text(tag) if '`' in tag else f'`{tag}`'}")

    def _field(self, record: Record, field: Field) -> tuple[str, str]:
        kind = self.kind(field.kind)
        if any(record.name in self._held.get(name, ()) for name in in_place(field.kind)) and isinstance(
            field.kind, Named | Row
        ):
            kind = kind if self._empties(field.kind) else f"*{kind}"
            return kind, "" if field.required else ",omitzero"
        if field.required:
            return kind, ""
        return (kind, ",omitzero") if self._empties(field.kind) else (f"*{kind}", ",omitempty")

    def _empties(self, kind: Kind) -> bool:
        """Whether nil is no value of a kind, and can stand for its absence."""
        match kind:
            case Listing() | Mapping() | Binary() | Nothing():
                return True
            case Row(members=members):
                return not _alike(members)
            case Named(name=name):
                return name in self._odd or isinstance(self._surface.named(name), Union)
            case _:
                return self.kind(kind) == "any"

    def _enumeration(self, each: Enumeration) -> None:
        source = self.source
        if all(isinstance(value, str) for value in each.values):
            plain = "string"
        else:
            plain = width_of(tuple(value for value in each.values if isinstance(value, int)))
        if plain == BIG:
            self.imports.add("math/big")
            source.add(f"type {each.name} = big.Int")
            return
        names = [
            self._scope.name(f"{each.name}{exported(value) if isinstance(value, str) else _numeral(value)}")
            for value in each.values
        ]
        source.add(f"type {each.name} {plain}", "")
        source.add(f"// The values of {each.name}.")
        with source.block("const (", ")"):
            for name, value in zip(names, each.values, strict=True):
                source.add(f"{name} {each.name} = {text(value) if isinstance(value, str) else value}")
        source.add("", f"// Enum lists the values of {each.name}.")
        source.add(f"func ({each.name}) Enum() []{each.name} {{ return []{each.name}{{{', '.join(names)}}} }}")

    def kind(self, kind: Kind) -> str:  # noqa: C901, PLR0911, PLR0912 - one return for each kind
        """A kind as a type of Go."""
        match kind:
            case Boolean():
                return "bool"
            case Integer():
                return self._integer(width(kind, big=self._surface.big_integers))
            case Number():
                return "float64"
            case Text(format=name):
                spelled, needed = _FORMATS.get(name, ("string", ""))
                self.imports.update({needed} - {""})
                return spelled
            case Binary():
                return "[]byte"
            case Constant(value=value):
                return "string" if isinstance(value, str) else self._integer(width_of((value,)))
            case Listing(item=item):
                return f"[]{self.kind(item)}"
            case Mapping(value=value):
                return f"map[string]{self.kind(value)}"
            case Row(members=members) if _alike(members):
                return f"[{len(members)}]{self.kind(members[0])}"
            case Row():
                return "[]any"
            case Named(name=name):
                return name
            case Nullable(inner=inner):
                spelled = self.kind(inner)
                return spelled if spelled == "any" else f"*{spelled}"
            case _:
                return "any"

    def _integer(self, name: str) -> str:
        if name != BIG:
            return name
        self.imports.add("math/big")
        return "big.Int"

    def group(self, group: Group) -> None:
        """The struct with a source's functions."""
        name = group.name
        self.source.add("")
        self.source.comment([f"{name} are the functions of {group.source}."], "//")
        self.source.add(f"type {name} struct{{ caller dragoman.Caller }}")
        self._functions(name, group.functions, Scope())

    def client(self, name: str) -> None:
        """The struct that has it all."""
        source, scope = self.source, Scope(frozenset({"caller"}))
        made = self._scope.name(f"New{name}")
        groups = [(scope.name(exported(each.source)), each.name) for each in self._surface.groups if each.source]
        source.add("")
        source.comment([f"{name} calls every function of {self._surface.service}, by its source."], "//")
        with source.block(f"type {name} struct {{"):
            source.add("caller dragoman.Caller")
            source.add(*(f"{field} {each}" for field, each in groups))
        source.add("", f"// {made} makes one that calls through a client of dragoman.Dial, a project of dragoman.Open,")
        source.add("// or dragoman.Host of a function's context.")
        with source.block(f"func {made}(caller dragoman.Caller) *{name} {{"):
            values = ", ".join(["caller", *(f"{each}{{caller}}" for _, each in groups)])
            source.add(f"return &{name}{{{values}}}")
        for group in self._surface.groups:
            if not group.source:
                self._functions(name, group.functions, scope)

    def _functions(self, receiver: str, functions: Iterable[Function], scope: Scope) -> None:
        for function in functions:
            self._function(receiver, function, scope.name(exported(function.own)))

    def _function(self, receiver: str, function: Function, name: str) -> None:
        source = self.source
        self.imports.add("context")
        source.add("")
        source.comment(function.about or (f"{name} calls {function.full}.",), "//")
        taken = "struct{}" if function.input is None else self.kind(function.input)
        given = "struct{}{}" if function.input is None else "input"
        output = self.kind(function.output)
        parameter = "" if function.input is None else f", input {taken}"
        opening = f"func (f {receiver}) {name}(ctx context.Context{parameter})"
        arguments = f"(ctx, f.caller, {text(function.full)}, {given})"
        if function.streaming:
            self.imports.add("iter")
            with source.block(f"{opening} iter.Seq2[{output}, error] {{"):
                source.add(f"return dragoman.Stream[{taken}, {output}]{arguments}")
        elif isinstance(function.output, Nothing):
            with source.block(f"{opening} error {{"):
                source.add(f"_, err := dragoman.Call[{taken}, any]{arguments}", "return err")
        else:
            with source.block(f"{opening} ({output}, error) {{"):
                source.add(f"return dragoman.Call[{taken}, {output}]{arguments}")


def odd(record: Record) -> bool:
    """Whether a struct's tags cannot say a name of the record."""
    return any(not each.wire or each.wire == "-" or "," in each.wire for each in record.fields)


def _alike(members: tuple[Kind, ...]) -> bool:
    return all(member == members[0] for member in members)


def _numeral(value: int) -> str:
    return str(value) if value >= 0 else f"Minus{-value}"


def _told(field: Field) -> tuple[str, ...]:
    always = (f"Always {_shown(field.kind.value)}.",) if isinstance(field.kind, Constant) else ()
    told = (*field.about, *always)
    return (*told, "Deprecated: the contract says so.") if field.deprecated else told


def _shown(value: str | int) -> str:
    return text(value) if isinstance(value, str) else str(value)


def text(value: str) -> str:
    """Text as Go writes it."""
    return quoted(value, "\\U{:08x}", "\\u{:04x}")
