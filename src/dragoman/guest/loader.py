"""Importing the user's source and finding the functions that it offers.

A file is imported by its path under its stem, with its folder on `sys.path`, as `python file.py` would have it, save
that `__name__` is not `__main__`. Whatever goes wrong becomes one `LoadFailed` that says what and where.
"""

# ruff: noqa: PTH100, PTH112, PTH113, PTH119, PTH120, PTH122 - `pathlib` takes 5 of the 40 ms that a start may take

from __future__ import annotations

import sys
from os.path import abspath, basename, dirname, isdir, isfile, splitext
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from dragoman.contract.function import ContractError
from dragoman.contract.marker import marker_of
from dragoman.contract.signature import bind, is_offered, reason_not_offered
from dragoman.guest.failure import begin_of_user_code, describe, render

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.abc import Loader
    from types import CodeType, TracebackType

    from dragoman.contract.signature import Binding


_OWN_FOLDER = dirname(dirname(__file__))


class LoadFailed(Exception):  # noqa: N818 - names the condition, as every fault here does
    """The source cannot be served; the message says why and where, `traceback` is the user's own part of it."""

    def __init__(self, detail: str, traceback: str = "") -> None:
        super().__init__(detail)
        self.traceback = traceback


class Source(NamedTuple):
    """An imported source and what it offers, in the order of definition, which is the order of the manifest."""

    module: ModuleType
    bindings: list[Binding]

    @property
    def is_async(self) -> bool:
        """Whether any function is a coroutine function or an async generator."""
        return any(binding.is_async for binding in self.bindings)


def load(source: str, name: str = "") -> Source:
    """Import a file, a package folder or a dotted module name; `name` is what the host calls it.

    Raises `LoadFailed`, and nothing else.
    """
    module = _import(source)
    bindings: dict[str, Binding] = {}
    for function in _offered(module, source):
        try:
            binding = bind(function)
        except ContractError as error:
            raise LoadFailed(f"{_place(function)}{error}") from None
        except Exception as error:  # noqa: BLE001 - an annotation is user code: evaluating it may raise anything
            detail = f"{_place(function)}the annotations of {function.__name__} cannot be read: {describe(error)}"
            raise LoadFailed(detail, render(error, begin_of_user_code(error.__traceback__))) from None
        own = binding.contract.name
        if own in bindings:
            raise LoadFailed(f"{_place(function)}two functions are named {own!r}: rename one, or give it another name")
        bindings[own] = binding
    if not bindings:
        raise LoadFailed(_nothing_offered(module, source))
    for binding in bindings.values():
        binding.belong_to(name)
    return Source(module, list(bindings.values()))


def _import(source: str) -> ModuleType:
    try:
        path = abspath(source)
        if isdir(path):
            return _import_file(f"{path}/__init__.py", path)
        if path.endswith(".py") or isfile(path):
            return _import_file(path)
        return _import_name(source)
    except BaseException as error:  # noqa: BLE001 - an import runs user code, which may raise or exit in any way
        raise LoadFailed(_why(error, source), _traceback(error)) from None


def _import_file(path: str, package: str = "") -> ModuleType:
    """Import a file, or the package whose folder is given, by its place: its name may be one that Python has too."""
    from importlib.util import module_from_spec, spec_from_file_location  # noqa: PLC0415 - the guest starts without it

    if not isfile(path):
        raise FileNotFoundError(2, "no such file", path)
    stem = splitext(basename(package or path))[0]
    name = _name_for(stem)
    _put_on_path(dirname(package or path), last=stem in sys.stdlib_module_names)
    loader = _fresh_loader(name, path) if path.endswith(".py") else None
    spec = spec_from_file_location(name, path, loader=loader, submodule_search_locations=[package] if package else None)
    if spec is None or spec.loader is None:
        raise ImportError(f"{basename(path)} is not a Python source")
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _fresh_loader(name: str, path: str) -> Loader:
    """A loader that compiles the file as it is now.

    Cached bytecode is told apart by size and whole seconds: of two quick edits of one size, the second was not seen.
    """
    from importlib.machinery import SourceFileLoader  # noqa: PLC0415 - the guest starts without it

    class FreshLoader(SourceFileLoader):
        def get_code(self, fullname: str) -> CodeType:
            source = self.get_filename(fullname)
            return self.source_to_code(self.get_data(source), source)

    return FreshLoader(name, path)


def _import_name(name: str) -> ModuleType:
    from importlib import import_module  # noqa: PLC0415 - the guest starts without it

    _put_on_path(abspath("."), last=False)
    return import_module(name)


def _name_for(stem: str) -> str:
    """The stem, unless a module that others rely on has that name: then one that only this source has."""
    taken = stem in sys.modules or stem in sys.stdlib_module_names or stem == "dragoman"
    return f"source_{stem}" if taken else stem


def _put_on_path(folder: str, *, last: bool) -> None:
    """Let the source import its neighbours; last, where it would hide a module of the standard library."""
    if folder not in sys.path:
        sys.path.insert(len(sys.path) if last else 0, folder)


def _offered(module: ModuleType, source: str) -> Iterator[Any]:
    """The functions to serve: those in `__all__`, else public, annotated ones defined here; marked ones always."""
    names: Any = getattr(module, "__all__", None)
    members = vars(module)
    seen: set[int] = set()
    for name in list(members) if names is None else names:
        if name not in members:
            raise LoadFailed(f"{basename(source)}: __all__ lists {name!r}, which the module does not define")
        member = members[name]
        if id(member) not in seen and (_is_function(member) if names is not None else _is_own(member, module)):
            seen.add(id(member))
            yield member
    for member in list(members.values()) if names is not None else ():
        if id(member) not in seen and _is_function(member) and marker_of(member) is not None:
            seen.add(id(member))
            yield member


def _is_own(member: Any, module: ModuleType) -> bool:
    """Whether a function is to be served without being listed: marked, or the module's own, public and annotated."""
    if marker_of(member) is not None:
        return _is_function(member)
    is_here = getattr(member, "__module__", None) == module.__name__
    return is_here and _is_function(member) and is_offered(getattr(member, "__wrapped__", member))


def _nothing_offered(module: ModuleType, source: str) -> str:
    """Say why nothing is served, by the first function that might have been."""
    detail = f"{basename(source)} offers no functions: write a public top-level one, with every parameter annotated"
    for name, member in vars(module).items():
        if isinstance(member, FunctionType) and member.__module__ == module.__name__ and not name.startswith("_"):
            return f"{detail} ({name} is none: {reason_not_offered(member)})"
    for name, member in vars(module).items():
        if isinstance(member, FunctionType) and not name.startswith("_"):
            return f"{detail}; {name}, which comes from {member.__module__}, is served if `__all__` lists it"
    return detail


def _is_function(member: Any) -> bool:
    """A function, or what a decorator such as `functools.cache` makes of one; never a class."""
    return isinstance(member, FunctionType) or (
        callable(member)
        and not isinstance(member, type)
        and isinstance(getattr(member, "__wrapped__", None), FunctionType)
    )


def _place(function: Any) -> str:
    code = getattr(getattr(function, "__wrapped__", function), "__code__", None)
    return f"{basename(code.co_filename)}:{code.co_firstlineno}: " if code is not None else ""


def _why(error: BaseException, source: str) -> str:
    name = basename(source)
    if isinstance(error, SyntaxError):
        place = f"{basename(error.filename or source)}:{error.lineno}" if error.lineno else name
        return f"{place}: {type(error).__name__}: {error.msg}"
    place = _last_line(error.__traceback__) or name
    if isinstance(error, SystemExit):
        status = "" if error.code is None else repr(error.code)
        return f"{place}: the source called sys.exit({status}) while it was imported"
    detail = f"{place}: {describe(error)}"
    if isinstance(error, ModuleNotFoundError) and error.name:
        detail += f"; install it where {sys.executable} finds it"
    return detail


def _last_line(traceback: TracebackType | None) -> str:
    """The innermost line of the user's own."""
    place = ""
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if not code.co_filename.startswith("<") and _OWN_FOLDER not in code.co_filename:
            place = f"{basename(code.co_filename)}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return place


def _traceback(error: BaseException) -> str:
    start = begin_of_user_code(error.__traceback__)
    return render(error, start) if start is not None or isinstance(error, SyntaxError) else ""
