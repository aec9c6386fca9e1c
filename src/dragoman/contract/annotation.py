"""Annotations as they really are: names resolved, generics filled in, records taken apart into their fields."""

from __future__ import annotations

import collections.abc
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING
from enum import Enum
from types import UnionType
from typing import Any, NamedTuple, TypeAlias, TypeVar, Union, get_args, get_origin

from dragoman.contract.forward import Named, closed, scope_of

Hints: TypeAlias = dict[str, Any]
CONTEXT_MARK = "__dragoman_context__"
ALIASES_MAX = 100
"""Aliases of aliases; past it they go round in a circle."""
REQUIRED: Any = MISSING
"""The default of a field that has none."""


class _ContextStandIn:
    """Stands for `Context` where a module names it only for its type checker."""

    __dragoman_context__ = True


class _DragomanStandIn:
    Context = _ContextStandIn


class Field(NamedTuple):
    """One field of a record: its name in Python and on the wire, its type, and its default or `REQUIRED`.

    `taken` says that whoever builds the record gives it, `kept` that the record has it afterwards: nearly always both.
    """

    name: str
    key: str
    kind: Any
    default: Any = REQUIRED
    optional: bool = False
    taken: bool = True
    kept: bool = True

    @property
    def required(self) -> bool:
        """True when the key must be there."""
        return self.default is REQUIRED and not self.optional


class Unresolved(ValueError):  # noqa: N818 - names the condition, as all of our errors do
    """An annotation that names something which does not exist at run time."""


def hints_of(target: Any) -> Hints:
    """Resolve the annotations of a function or class, `Annotated` kept. Raises `Unresolved`.

    A name that is imported for the type checker only is looked up in `typing`, `collections.abc` and Dragoman itself,
    so that a tidy module needs no change to be served.
    """
    scope = _closure(target)
    try:
        hints = typing.get_type_hints(target, localns=scope or None, include_extras=True)
        return {name: closed(kind, scope_of(target)) for name, kind in hints.items()}
    except NameError:
        pass
    except Exception as error:  # annotations are code, and may raise anything
        message = f"its annotations cannot be read: {type(error).__name__}: {error}"
        raise Unresolved(message) from error
    known: dict[str, Any] = {"Context": _ContextStandIn, "dragoman": _DragomanStandIn, "typing": typing}
    for module in (typing, collections.abc):
        known.update({name: value for name, value in vars(module).items() if not name.startswith("_")})
    known.update(vars(sys.modules.get(target.__module__, typing)))
    known.update(getattr(target, "__globals__", {}))
    try:
        return typing.get_type_hints(target, known, scope, include_extras=True)
    except Exception as error:  # annotations are code, and may raise anything
        message = (
            f"its annotations cannot be read: {error}; what they name must exist at run time, so import it outside "
            f"of `if TYPE_CHECKING:` and at the top of the module"
        )
        raise Unresolved(message) from error


def is_context(kind: Any) -> bool:
    """Whether an annotation asks for the call's context: the class itself, or an optional one."""
    if is_union(kind):
        return any(is_context(member) for member in get_args(kind))
    return isinstance(kind, type) and getattr(kind, CONTEXT_MARK, False) is True


def is_union(kind: Any) -> bool:
    """Whether a type is `X | Y`, `Union[X, Y]` or `Optional[X]`."""
    return get_origin(kind) in {Union, UnionType}


def is_alias(kind: Any) -> bool:
    """Whether a type is a `type X = …` alias; told by name, since 3.11 has only the backport. A quoted name is one."""
    return isinstance(kind, Named) or type(get_origin(kind) or kind).__name__ == "TypeAliasType"


def alias_value(kind: Any) -> Any:
    """What a `type` alias stands for, with its parameters filled in. Raises `Unresolved`."""
    origin = get_origin(kind)
    try:
        if isinstance(kind, Named):
            return kind.value
        value = closed((origin or kind).__value__, scope_of(origin or kind))
    except Exception as error:  # an alias is code, and may raise anything
        message = f"the alias {kind!r} cannot be read: {type(error).__name__}: {error}"
        raise Unresolved(message) from error
    if origin is None:
        return value
    return fill(value, dict(zip(origin.__type_params__, get_args(kind), strict=False)))


def is_typed_dict(kind: Any) -> bool:
    """Whether a class is a `TypedDict`, of `typing` or of its backport."""
    return _is_class_below(kind, dict) and hasattr(kind, "__required_keys__")


def is_named_tuple(kind: Any) -> bool:
    """Whether a class is a `NamedTuple`."""
    return _is_class_below(kind, tuple) and hasattr(kind, "_fields")


def is_struct(kind: Any) -> bool:
    """Whether a class is a `msgspec.Struct`."""
    return isinstance(kind, type) and hasattr(kind, "__struct_config__")


def is_model(kind: Any) -> bool:
    """Whether a class is a pydantic model, without importing pydantic: whoever defined one has."""
    module = sys.modules.get("pydantic")
    model = getattr(module, "BaseModel", None)
    return isinstance(kind, type) and isinstance(model, type) and issubclass(kind, model)


def is_record(kind: Any) -> bool:
    """Whether a type is an object with named fields, so that as a single parameter it takes the whole input."""
    origin = get_origin(kind) or kind
    if is_struct(origin):
        return not origin.__struct_config__.array_like
    return is_typed_dict(origin) or is_model(origin) or _is_class_of_fields(origin)


def is_enum(kind: Any) -> bool:
    """Whether a class is an enumeration."""
    return isinstance(kind, type) and issubclass(kind, Enum)


def is_path(kind: Any) -> bool:
    """Whether a class is one of `pathlib`, which takes 4 ms to import: where nobody has, there is none."""
    pathlib = sys.modules.get("pathlib")
    return pathlib is not None and issubclass(kind, pathlib.PurePath)


def fields_of(kind: Any) -> list[Field] | None:
    """Take a record or named tuple apart, in order; None where `kind` is neither. Raises `Unresolved`."""
    origin = get_origin(kind) or kind
    if is_struct(origin):
        read = _struct_fields
    elif is_typed_dict(origin):
        read = _typed_dict_fields
    elif is_named_tuple(origin):
        read = _named_tuple_fields
    elif _is_class_of_fields(origin):
        read = _class_fields
    else:
        return None
    filling = _filling(origin, get_args(kind))
    return [field._replace(kind=fill(field.kind, filling)) for field in read(origin, hints_of(origin))]


def fill(kind: Any, filling: Mapping[Any, Any]) -> Any:
    """Put types in the place of type variables."""
    if not filling:
        return kind
    if isinstance(kind, TypeVar):
        return filling.get(kind, kind)
    parameters = getattr(kind, "__parameters__", ())
    if not parameters or isinstance(kind, type):
        return kind
    return kind[tuple(filling.get(parameter, parameter) for parameter in parameters)]


def strip(kind: Any) -> Any:
    """The type below `Annotated`, `NewType`, `Required`, `NotRequired`, `ReadOnly`, `Final` and aliases.

    Raises `Unresolved` for an alias that stands for itself.
    """
    for _ in range(ALIASES_MAX):
        if is_alias(kind):
            kind = alias_value(kind)
        elif get_origin(kind) is typing.Annotated or _is_qualifier(kind):
            kind = get_args(kind)[0]
        elif hasattr(kind, "__supertype__"):
            kind = kind.__supertype__
        else:
            return kind
    message = f"the alias {kind!r} stands for nothing but itself"
    raise Unresolved(message)


def _is_class_below(kind: Any, base: type[Any]) -> bool:
    return isinstance(kind, type) and issubclass(kind, base)


def _is_qualifier(kind: Any) -> bool:
    return getattr(get_origin(kind), "_name", None) in {"Required", "NotRequired", "ReadOnly", "Final"}


def _is_class_of_fields(kind: Any) -> bool:
    return isinstance(kind, type) and (hasattr(kind, "__dataclass_fields__") or hasattr(kind, "__attrs_attrs__"))


def _struct_fields(kind: Any, hints: Hints) -> list[Field]:
    names: tuple[str, ...] = kind.__struct_fields__
    first_default = len(names) - len(kind.__struct_defaults__)
    found: list[Field] = []
    for at, (name, key) in enumerate(zip(names, kind.__struct_encode_fields__, strict=True)):
        default = kind.__struct_defaults__[at - first_default] if at >= first_default else REQUIRED
        if type(default).__name__ == "NoDefaultType" or repr(default) == "NODEFAULT":
            default = REQUIRED
        factory = getattr(default, "factory", None)
        found.append(Field(name, key, hints[name], _made(factory) if factory else default))
    return found


def _typed_dict_fields(kind: Any, hints: Hints) -> list[Field]:
    found: list[Field] = []
    for name, hint in hints.items():
        optional = name not in kind.__required_keys__
        bare = hint
        while _is_qualifier(bare):
            optional = {"NotRequired": True, "Required": False}.get(get_origin(bare)._name, optional)  # noqa: SLF001 - the only name it has
            bare = get_args(bare)[0]
        found.append(Field(name, name, bare, optional=optional))
    return found


def _named_tuple_fields(kind: Any, hints: Hints) -> list[Field]:
    return [Field(name, name, hints.get(name, Any), kind._field_defaults.get(name, REQUIRED)) for name in kind._fields]


def _class_fields(kind: Any, hints: Hints) -> list[Field]:
    if hasattr(kind, "__attrs_attrs__"):
        return [
            Field(a.name, a.name, hints.get(a.name, Any), _attrs_default(a.default), taken=a.init)
            for a in kind.__attrs_attrs__
        ]
    found: list[Field] = []
    for field in kind.__dataclass_fields__.values():
        role = field._field_type.name  # noqa: SLF001 - the only place where a dataclass says so
        if role == "_FIELD_CLASSVAR":
            continue
        default = _made(field.default_factory) if field.default_factory is not MISSING else field.default
        hint = hints.get(field.name, Any)
        kept = role != "_FIELD_INITVAR"
        found.append(
            Field(
                field.name,
                field.name,
                hint if kept else getattr(hint, "type", Any),
                default,
                taken=field.init,
                kept=kept,
            )
        )
    return found


def _attrs_default(default: Any) -> Any:
    if type(default).__name__ == "_Nothing" or repr(default) == "NOTHING":
        return REQUIRED
    return _made(default.factory) if hasattr(default, "factory") else default


def _made(factory: Callable[[], Any]) -> Any:
    """The default that a factory makes, for the schema; something unwritable where it will not say."""
    try:
        return factory()
    except Exception:  # noqa: BLE001 - a user's factory may need what is not there yet
        return object()


def _filling(kind: Any, arguments: tuple[Any, ...]) -> dict[Any, Any]:
    """Type variables of a generic class and of the generic classes that it extends, and what stands for them."""
    filling = dict(zip(getattr(kind, "__parameters__", ()), arguments, strict=False))
    for parent in getattr(kind, "__orig_bases__", ()):
        origin = get_origin(parent)
        if origin is not None and origin is not typing.Generic:
            inner = _filling(origin, tuple(fill(argument, filling) for argument in get_args(parent)))
            filling = {**inner, **filling}
    return filling


def _closure(target: Any) -> dict[str, Any]:
    """The names that a nested function sees around it, where its annotations may come from."""
    scope: dict[str, Any] = {}
    cells = getattr(target, "__closure__", None) or ()
    for name, cell in zip(target.__code__.co_freevars if cells else (), cells, strict=True):
        try:
            scope[name] = cell.cell_contents
        except ValueError:
            continue  # not assigned yet
    return scope
