"""A client in Java: records, enums and sealed interfaces inside one class, and methods for each function.

No formatter of Java comes with a JDK, so what is written here is laid out as it should be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.generate.integer import BIG, width, width_of
from dragoman.generate.model import (
    Binary,
    Boolean,
    Constant,
    Declaration,
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
from dragoman.generate.naming import Scope, camel, capitals
from dragoman.generate.surface import client_name
from dragoman.generate.writing import Source, heading, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

KEYWORDS = frozenset({
    "abstract", "assert", "boolean", "break", "byte", "case", "catch", "char", "class", "const", "continue", "default",
    "do", "double", "else", "enum", "extends", "false", "final", "finally", "float", "for", "goto", "if", "implements",
    "import", "instanceof", "int", "interface", "long", "native", "new", "null", "package", "private", "protected",
    "public", "return", "short", "static", "strictfp", "super", "switch", "synchronized", "this", "throw", "throws",
    "transient", "true", "try", "void", "volatile", "while", "_",
})  # fmt: skip
OBJECT = frozenset({"clone", "equals", "finalize", "getClass", "hashCode", "notify", "notifyAll", "toString", "wait"})
"""What every object has: neither a component nor a method can be one of them."""
COMPONENTS_MAX = 120
"""A constructor takes 255 slots, two for a long or a double."""
_BOXES = {"boolean": "Boolean", "int": "Integer", "long": "Long", "double": "Double"}
_FORMATS = {
    "date-time": "OffsetDateTime",
    "date": "LocalDate",
    "time": "LocalTime",
    "duration": "Duration",
    "uuid": "UUID",
    "decimal": "BigDecimal",
}
_IMPORTS = (
    "dev.dragoman.CallOptions", "dev.dragoman.Caller", "dev.dragoman.Name", "dev.dragoman.Nullable",
    "dev.dragoman.Tag", "dev.dragoman.TypeOf", "java.lang.reflect.Type", "java.math.BigDecimal",
    "java.math.BigInteger", "java.time.Duration", "java.time.LocalDate", "java.time.LocalTime",
    "java.time.OffsetDateTime", "java.util.List", "java.util.Map", "java.util.Optional", "java.util.UUID",
    "java.util.concurrent.CompletableFuture", "java.util.stream.Stream",
)  # fmt: skip


def render(surface: Surface, package: str, version: str) -> dict[str, str]:
    """The files of the client."""
    name = client_name(surface.service)
    printer = _Printer(surface)
    source = printer.source
    parts = [part if part not in KEYWORDS else f"{part}_" for part in package.split(".") if part]
    source.add(f"// {heading(surface.service, version)}")
    source.add(*([f"package {'.'.join(parts)};"] if parts else []), "")
    source.add(*(f"import {each};" for each in _IMPORTS), "")
    source.boxed([f"Calls every function of {_clean(surface.service)}, by its source."])
    source.add('@SuppressWarnings("unused")')
    with source.block(f"public final class {name} {{"):
        printer.client(name)
        for group in surface.groups:
            if group.source:
                printer.group(group)
        for each in surface.declarations:
            printer.declare(each)
    return {"/".join((*parts, f"{name}.java")): source.text()}


class _Printer:
    def __init__(self, surface: Surface) -> None:
        self.source = Source()
        self._surface = surface
        self._streamed = surface.streamed()
        self._unions: dict[str, list[str]] = {}
        for each in surface.declarations:
            for _, name in each.cases if isinstance(each, Union) else ():
                self._unions.setdefault(name, []).append(each.name)

    def declare(self, each: Declaration) -> None:
        """One named type; what Java cannot name is only mentioned where it stands."""
        if not self._sayable(each.name):
            return
        self.source.add("")
        self._told(each.about)
        if isinstance(each, Record):
            self._record(each)
        elif isinstance(each, Union):
            cases = ", ".join(dict.fromkeys(name for _, name in each.cases))
            self.source.add(f"@Tag({text(each.tag)})")
            self.source.add(f"public sealed interface {each.name} permits {cases} {{}}")
        else:
            self._enumeration(each)

    def _sayable(self, name: str) -> bool:
        each = self._surface.named(name)
        if isinstance(each, Enumeration):
            return isinstance(each.values[0], str)
        if isinstance(each, Union):
            return all(self._sayable(case) for _, case in each.cases)
        return not odd(each)

    def _told(self, paragraphs: Iterable[str]) -> None:
        self.source.boxed([_clean(text) for text in paragraphs])

    def _record(self, record: Record) -> None:
        source, scope = self.source, Scope(KEYWORDS | OBJECT)
        if record.tag is not None:
            source.add(f"@Name({text(record.tag[1])})")
        of = [union for union in self._unions.get(record.name, ()) if self._sayable(union)]
        implements = f" implements {', '.join(of)}" if of else ""
        if not record.fields:
            source.add(f"public record {record.name}(){implements} {{}}")
            return
        with source.block(f"public record {record.name}(", f"){implements} {{}}"):
            for place, field in enumerate(record.fields, 1):
                self._told(_told(field))
                name = scope.name(camel(field.wire))
                marks = "" if name == field.wire else f"@Name({text(field.wire)}) "
                comma = "," if place < len(record.fields) else ""
                source.add(f"{marks}{self._component(record, field)} {name}{comma}")

    def _component(self, record: Record, field: Field) -> str:
        if field.wire == self._streamed.get(record.name) and isinstance(field.kind, Listing):
            return f"Stream<{self.boxed(field.kind.item)}>"
        inner, null = (field.kind.inner, "@Nullable ") if isinstance(field.kind, Nullable) else (field.kind, "")
        kind = self.boxed(inner) if null else self.kind(inner)
        if kind == "Object":
            null = "@Nullable "
        return f"{null}{kind}" if field.required else f"{null}Optional<{self.boxed(inner)}>"

    def _enumeration(self, each: Enumeration) -> None:
        source, scope = self.source, Scope(KEYWORDS)
        with source.block(f"public enum {each.name} {{"):
            for place, value in enumerate(each.values, 1):
                name = scope.name(capitals(str(value)))
                mark = "" if name == value else f"@Name({text(str(value))}) "
                source.add(f"{mark}{name}{',' if place < len(each.values) else ''}")

    def kind(self, kind: Kind) -> str:  # noqa: C901, PLR0911, PLR0912 - one return for each kind
        """A kind as a type of Java."""
        match kind:
            case Boolean():
                return "boolean"
            case Integer():
                return _integer(width(kind, big=self._surface.big_integers))
            case Number():
                return "double"
            case Text(format=name):
                return _FORMATS.get(name, "String")
            case Binary():
                return "byte[]"
            case Constant(value=value):
                return "String" if isinstance(value, str) else _integer(width_of((value,)))
            case Listing(item=item):
                return f"List<{self.boxed(item)}>"
            case Mapping(value=value):
                return f"Map<String, {self.boxed(value)}>"
            case Row(members=members) if all(member == members[0] for member in members):
                return f"List<{self.boxed(members[0])}>"
            case Row():
                return "List<Object>"
            case Named(name=name):
                return self._name(name)
            case Nullable(inner=inner):
                spelled = self.boxed(inner)
                return spelled if spelled == "Object" else f"Optional<{spelled}>"
            case _:
                return "Object"

    def _name(self, name: str) -> str:
        each = self._surface.named(name)
        if self._sayable(name):
            return name
        if isinstance(each, Enumeration):
            return _integer(width_of(tuple(value for value in each.values if isinstance(value, int))))
        return "Map<String, Object>"

    def boxed(self, kind: Kind) -> str:
        """A kind as an argument of a generic type."""
        spelled = self.kind(kind)
        return _BOXES.get(spelled, spelled)

    def client(self, name: str) -> None:
        """The groups, and the functions that have none."""
        source, scope = self.source, Scope(KEYWORDS | OBJECT | {"caller"})
        groups = [(scope.name(camel(each.source)), each.name) for each in self._surface.groups if each.source]
        source.add("private final Caller caller;")
        source.add(*(f"public final {kind} {field};" for field, kind in groups), "")
        source.boxed(["Calls through a {@code DragomanClient}, or the {@code Context} of a function."])
        with source.block(f"public {name}(Caller caller) {{"):
            source.add("this.caller = caller;")
            source.add(*(f"this.{field} = new {kind}(caller);" for field, kind in groups))
        for group in self._surface.groups:
            if not group.source:
                self._functions(group.functions, Scope(KEYWORDS | OBJECT))

    def group(self, group: Group) -> None:
        """The class with a source's functions."""
        name, source = group.name, self.source
        source.add("")
        self._told([f"The functions of {group.source}."])
        with source.block(f"public static final class {name} {{"):
            source.add("private final Caller caller;", "")
            with source.block(f"private {name}(Caller caller) {{"):
                source.add("this.caller = caller;")
            self._functions(group.functions, Scope(KEYWORDS | OBJECT))

    def _functions(self, functions: Iterable[Function], scope: Scope) -> None:
        for function in functions:
            name = scope.name(camel(function.own))
            self._function(function, name, "" if function.streaming else scope.name(f"{camel(function.own)}Async"))

    def _function(self, function: Function, name: str, later: str) -> None:
        source = self.source
        taken = "" if function.input is None else f"{self.kind(function.input)} input"
        given = "Map.of()" if function.input is None else "input"
        kind = self.boxed(function.output)
        result = self.kind(function.output)
        if function.streaming:
            result = f"Stream<{kind}>"
        elif isinstance(function.output, Nothing):
            result = "void"
        call = f"{text(function.full)}, {given}, {self._type(function.output)}, options"
        about = function.about or (f"Calls {function.full}.",)
        gives = "" if result == "void" else "return "
        method = f"caller.<{kind}>{'stream' if function.streaming else 'call'}"
        with self._method(about, f"{result} {name}({taken})"):
            source.add(f"{gives}{name}({'' if function.input is None else 'input, '}CallOptions.NONE);")
        comma = ", " if taken else ""
        with self._method(about, f"{result} {name}({taken}{comma}CallOptions options)"):
            source.add(f"{gives}{method}({call});")
        if later:
            with self._method(about, f"CompletableFuture<{kind}> {later}({taken}{comma}CallOptions options)"):
                source.add(f"return caller.<{kind}>callAsync({call});")

    def _method(self, about: Iterable[str], signature: str):  # noqa: ANN202 - a block of lines
        self.source.add("")
        self._told(about)
        return self.source.block(f"public {signature} {{")

    def _type(self, kind: Kind) -> str:
        """A type as a value."""
        spelled = self.boxed(kind)
        return f"new TypeOf<{spelled}>() {{}}.type()" if "<" in spelled else f"(Type) {spelled}.class"


def odd(record: Record) -> bool:
    """Whether a record has more components than a constructor takes."""
    return len(record.fields) > COMPONENTS_MAX


def _integer(name: str) -> str:
    if name in {"uint64", BIG}:
        return "BigInteger"
    return "long" if name in {"int64", "uint32"} else "int"


def _clean(line: str) -> str:
    """A text without what Javadoc reads: tags, and markup."""
    return line.replace("&", "&amp;").replace("<", "&lt;").replace("@", "&#64;")


def _told(field: Field) -> tuple[str, ...]:
    always = (f"Always {field.kind.value}.",) if isinstance(field.kind, Constant) else ()
    told = (*field.about, *always)
    return (*told, "Deprecated.") if field.deprecated else told


def text(value: str) -> str:
    """Text as Java writes it, whose escapes are of 16 bits."""
    return _controls(quoted(value, "", "\\u{:04x}"))


def _controls(written: str) -> str:
    r"""Control characters as octal: Java reads `\u000a` as the end of the line that it stands in."""
    out, at = list[str](), 0
    while at < len(written):
        two = written[at : at + 2]
        if two == "\\u" and int(written[at + 2 : at + 6], 16) <= 0xFF:  # noqa: PLR2004 - what octal can say
            out.append(f"\\{int(written[at + 2 : at + 6], 16):03o}")
            at += 6
        elif two[:1] == "\\":
            out.append(two)
            at += 2
        else:
            out.append(two[:1])
            at += 1
    return "".join(out)
