"""A client in Python: `msgspec.Struct`s, and methods that take the input's properties by name.

`dragoman` itself brings msgspec along, so a client needs nothing else.
"""

from __future__ import annotations

import keyword
from typing import TYPE_CHECKING

from dragoman.generate.model import (
    Anything,
    Binary,
    Boolean,
    Constant,
    Either,
    Enumeration,
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
from dragoman.generate.naming import Scope, snake
from dragoman.generate.surface import client_name
from dragoman.generate.writing import Source, heading, quoted, told

if TYPE_CHECKING:
    from collections.abc import Iterable

KEYWORDS = frozenset(keyword.kwlist) | frozenset(keyword.softkwlist)
SHADOWED = frozenset({
    "bool", "bytes", "cast", "datetime", "decimal", "dict", "dragoman", "field", "float", "int", "items", "list",
    "msgspec", "object", "read", "self", "str", "timeout", "tuple", "uuid",
})  # fmt: skip
"""What annotations and method bodies say; a field or parameter of that name would hide it."""
_FORMATS = {
    "date-time": "datetime.datetime",
    "date": "datetime.date",
    "time": "datetime.time",
    "duration": "datetime.timedelta",
    "uuid": "uuid.UUID",
    "decimal": "decimal.Decimal",
}
RUNTIME = '''

class Caller(Protocol):
    """What functions are called through: `dragoman.connect(url)`, or `dragoman.open(project)`."""

    def call(self, function: str, /, input: Any = None, *, timeout: float | None = None) -> Any: ...

    def stream(
        self, function: str, /, input: Any = None, *, timeout: float | None = None
    ) -> Iterator[Any]: ...


class AsyncCaller(Protocol):
    """The same, in `async with`."""

    def call(
        self, function: str, /, input: Any = None, *, timeout: float | None = None
    ) -> Awaitable[Any]: ...

    def stream(
        self, function: str, /, input: Any = None, *, timeout: float | None = None
    ) -> AsyncIterator[Any]: ...


def _plain(value: Any) -> Any:
    """A value as it travels: records as dicts, without what is absent; an iterator's values as they come."""
    if isinstance(value, AsyncIterable):
        return _plain_later(cast("AsyncIterable[Any]", value))
    if isinstance(value, Iterator):
        return (_plain(item) for item in cast("Iterator[Any]", value))
    return msgspec.to_builtins(value, builtin_types=(bytes, bytearray, memoryview))


async def _plain_later(values: AsyncIterable[Any]) -> AsyncIterator[Any]:
    async for value in values:
        yield _plain(value)


def _input(given: dict[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in given.items() if value is not UNSET}


def _read(value: Any, kind: Any, function: str) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise dragoman.DataLoss(f"the reply is none that this client knows: {error}", function=function) from None


def _items(values: Iterator[Any], kind: Any, function: str) -> Iterator[Any]:
    try:
        for value in values:
            yield _read(value, kind, function)
    finally:
        if isinstance(values, Generator):
            values.close()


async def _items_later(values: AsyncIterator[Any], kind: Any, function: str) -> AsyncIterator[Any]:
    try:
        async for value in values:
            yield _read(value, kind, function)
    finally:
        if isinstance(values, AsyncGenerator):
            await values.aclose()
'''


def render(surface: Surface, package: str, version: str) -> dict[str, str]:
    """The files of the client."""
    del package  # a folder's name is its module's
    printer = _Printer(surface)
    client = client_name(surface.service)
    source = printer.source
    source.add(f"# {heading(surface.service, version)}", "# ruff: noqa", "")
    printer.told([f"Functions of {surface.service}, typed: `{client}(dragoman.connect(url))`."])
    source.add("")
    source.add("from __future__ import annotations", "")
    source.add("import datetime", "import decimal", "import uuid")
    source.add("from collections.abc import (", "    AsyncGenerator,", "    AsyncIterable,", "    AsyncIterator,")
    source.add("    Awaitable,", "    Generator,", "    Iterable,", "    Iterator,", ")")
    source.add("from typing import Any, Literal, Protocol, TypeAlias, Union, cast", "")
    source.add("import msgspec", "from msgspec import UNSET, Struct, UnsetType, field", "", "import dragoman")
    printer.declarations()
    source.add(*RUNTIME.rstrip("\n").split("\n"))
    for asynchronous in (False, True):
        for group in surface.groups:
            if group.source:
                printer.group(group, asynchronous=asynchronous)
        printer.client(client, asynchronous=asynchronous)
    return {"__init__.py": source.text()}


def _doc(text: str) -> str:
    # An example in a description is not for a run of the documentation's tests.
    return text.replace(">>>", ">> >").replace("\\", "\\\\").replace('"', '\\"')


class _Printer:
    def __init__(self, surface: Surface) -> None:
        self.source = Source()
        self._surface = surface
        self._unsayable = surface.unsayable(odd)

    def declarations(self) -> None:
        source = self.source
        inputs = self._surface.inputs()
        for each in self._surface.declarations:
            if isinstance(each, Record) and each.name not in inputs:
                self._record(each)
        for each in self._surface.declarations:
            if isinstance(each, Enumeration):
                values = ", ".join(literal(value) for value in each.values)
                source.add("", f"{each.name}: TypeAlias = Literal[{values}]")
            elif isinstance(each, Union):
                cases = ", ".join(name for _, name in each.cases)
                whole = "Any" if each.name in self._unsayable else f"Union[{cases}]"
                source.add("", f"{each.name}: TypeAlias = {whole}")
            else:
                continue
            self.told(each.about)

    def _record(self, record: Record) -> None:
        source = self.source
        if record.name in self._unsayable:
            source.add("", f"{record.name}: TypeAlias = dict[str, Any]")
            self.told((*record.about, "Its properties have names that a record cannot have."))
            return
        tag = ""
        if record.tag is not None:
            tag = f", tag_field={literal(record.tag[0])}, tag={literal(record.tag[1])}"
        source.add("", "")
        with source.block(f"class {record.name}(Struct, kw_only=True{tag}):", ""):
            self.told(record.about)
            if not record.fields and not record.about:
                source.add("pass")
            scope = Scope(KEYWORDS | SHADOWED)
            for each in record.fields:
                name = scope.name(snake(each.wire))
                renamed = f"name={literal(each.wire)}" if name != each.wire else ""
                kind = self.kind(each.kind) if each.required else f"{self.kind(each.kind)} | UnsetType"
                default = "" if each.required else "default=UNSET"
                options = ", ".join(filter(None, (renamed, default)))
                value = f" = field({options})" if renamed else " = UNSET" if default else ""
                source.add(f"{name}: {kind}{value}")
                self.told(_with_fate(each.about, deprecated=each.deprecated))

    def told(self, paragraphs: Iterable[str]) -> None:
        """A docstring."""
        lines = [_doc(line) for line in told(paragraphs, 84)]
        if len(lines) == 1:
            self.source.add(f'"""{lines[0]}"""')
        elif lines:
            self.source.add(f'"""{lines[0]}', *lines[1:], '"""')

    def kind(self, kind: Kind) -> str:  # noqa: C901, PLR0911, PLR0912 - one return for each kind
        match kind:
            case Boolean():
                return "bool"
            case Integer():
                return "int"
            case Number():
                return "float"
            case Text(format=name):
                return _FORMATS.get(name, "str")
            case Binary():
                return "bytes"
            case Nothing():
                return "None"
            case Constant(value=value):
                return f"Literal[{literal(value)}]"
            case Listing(item=item):
                return f"list[{self.kind(item)}]"
            case Mapping(value=value):
                return f"dict[str, {self.kind(value)}]"
            case Row(members=members):
                return f"tuple[{', '.join(map(self.kind, members))}]"
            case Named(name=name):
                return name
            case Nullable(inner=inner):
                return f"{self.kind(inner)} | None"
            case Either(kinds=kinds) if self._apart(kinds):
                return " | ".join(map(self.kind, kinds))
            case Either() | Anything():
                return "Any"

    def _apart(self, kinds: tuple[Kind, ...]) -> bool:
        """Whether the decoder can tell them apart: one of each form at most."""
        forms = [self._form(kind) for kind in kinds]
        return None not in forms and len(set(forms)) == len(forms)

    def _form(self, kind: Kind) -> str | None:
        match kind:
            case Text(format="") | Integer() | Number() | Boolean():
                return type(kind).__name__
            case Listing() | Row():
                return "array"
            case Mapping():
                return "object"
            case Named(name=name) if name not in self._unsayable:
                found = self._surface.named(name)
                if isinstance(found, Enumeration):
                    return type(found.values[0]).__name__.replace("str", "Text").replace("int", "Integer")
                return "object"
            case _:
                return None

    def group(self, group: Group, *, asynchronous: bool) -> None:
        """The class with a source's functions."""
        source = self.source
        source.add("", "")
        prefix = "Async" if asynchronous else ""
        with source.block(f"class {prefix}{group.name}:", ""):
            self.told([f"The functions of {group.source}."])
            source.add("")
            with source.block(f"def __init__(self, caller: {prefix}Caller) -> None:", ""):
                source.add("self._caller = caller")
            self._functions(group, Scope(KEYWORDS), asynchronous=asynchronous)

    def client(self, name: str, *, asynchronous: bool) -> None:
        """The class that has it all."""
        source, prefix = self.source, "Async" if asynchronous else ""
        source.add("", "")
        scope = Scope(KEYWORDS)
        with source.block(f"class {prefix}{name}:", ""):
            self.told([f"Every function of {self._surface.service}, by its source."])
            source.add("")
            with source.block(f"def __init__(self, caller: {prefix}Caller) -> None:", ""):
                source.add("self._caller = caller")
                for group in self._surface.groups:
                    if group.source:
                        attribute = scope.name(snake(group.source))
                        source.add(f"self.{attribute} = {prefix}{group.name}(caller)")
            for group in self._surface.groups:
                if not group.source:
                    self._functions(group, scope, asynchronous=asynchronous)

    def _functions(self, group: Group, scope: Scope, *, asynchronous: bool) -> None:
        for function in group.functions:
            self._function(function, scope.name(snake(function.own)), asynchronous=asynchronous)

    def _function(self, function: Function, name: str, *, asynchronous: bool) -> None:
        source = self.source
        parameters, value, described = self._parameters(function, asynchronous=asynchronous)
        output = self.kind(function.output)
        kept = f"{'Async' if asynchronous else ''}Iterator[{output}]" if function.streaming else output
        keyword_ = "async def" if asynchronous and not function.streaming else "def"
        source.add("", f"{keyword_} {name}(", "    self,")
        source.add(*(f"    {line}," for line in parameters))
        with source.block(f") -> {kept}:", ""):
            self.told((*function.about, *described) or (f"Call {function.full}.",))
            full = literal(function.full)
            if function.streaming:
                later = "_later" if asynchronous else ""
                call = f"self._caller.stream({full}, {value}, timeout=timeout)"
                source.add(f"return _items{later}({call}, {output}, {full})")
            else:
                wait = "await " if asynchronous else ""
                call = f"{wait}self._caller.call({full}, {value}, timeout=timeout)"
                source.add(f"return _read({call}, {output}, {full})")

    def _parameters(self, function: Function, *, asynchronous: bool) -> tuple[list[str], str, list[str]]:
        """The parameters, the input made of them, and what is to be said about each."""
        timed = "timeout: float | None = None"
        if function.input is None:
            return ["*", timed], "{}", []
        record = self._surface.record(function.input)
        if record is None or function.whole or record.name in self._unsayable:
            return [f"input: {self.kind(function.input)}", "*", timed], "_plain(input)", []
        scope = Scope(KEYWORDS | SHADOWED)
        parameters, given, described = ["*"], list[str](), list[str]()
        for each in sorted(record.fields, key=lambda field: not field.required):
            name = scope.name(snake(each.wire))
            kind = self.kind(each.kind)
            if each.wire == function.input_stream and isinstance(each.kind, Listing):
                item = self.kind(each.kind.item)
                kind = f"Iterable[{item}] | AsyncIterable[{item}]" if asynchronous else f"Iterable[{item}]"
            parameters.append(f"{name}: {kind}" if each.required else f"{name}: {kind} | UnsetType = UNSET")
            given.append(f"{literal(each.wire)}: {name}")
            about = " ".join(_with_fate(each.about, deprecated=each.deprecated))
            described += [f"{name}: {' '.join(about.split())}"] if about else []
        arguments = ", ".join(given)
        return [*parameters, timed], f"_input({{{arguments}}})", ["\n".join(described)] if described else []


def odd(record: Record) -> bool:
    """Whether the decoder does not take a name of the record's for one of a property."""
    names = [*(each.wire for each in record.fields), *(record.tag or ())]
    return any(character in {'"', "\\"} or ord(character) < 0x20 for name in names for character in name)  # noqa: PLR2004 - controls


def _with_fate(about: tuple[str, ...], *, deprecated: bool) -> tuple[str, ...]:
    return (*about, "Deprecated.") if deprecated else about


def literal(value: str | int) -> str:
    """A value as Python writes it."""
    return str(value) if isinstance(value, int) else quoted(value, "\\U{:08x}", "\\u{:04x}")
