"""What a call is aimed at: one function of one source, with the settings that the stack and the pool read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """One function as the host knows it.

    `name` is the full one (`stats.correlation`), `function` its last part, and `index` its place in the manifest that
    its workers offer, which travels in the frame header instead of the name. `raw_parameter` names the
    one parameter that raw input is, where it has a name. `input_stream` names the one that may come as a stream.
    `tables` names the parameters that are tables; `gives_table` says that the result, or each item, is one.
    `priority` is that of calls that do not say theirs (`core.call.Priority`). `version` is the contract's.
    """

    name: str
    source: str
    function: str
    index: int
    timeout_s: float
    streaming: bool = False
    idempotent: bool = False
    raw_input: bool = False
    raw_output: bool = False
    raw_parameter: str = ""
    input_stream: str = ""
    tables: frozenset[str] = frozenset()
    gives_table: bool = False
    priority: int = 1
    version: str = ""
