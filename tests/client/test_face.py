from typing import Any

import pytest

from dragoman.client.face import Name, Named, whole_input


class Recorder(Named):
    def call(self, function: str, /, input: Any = None, *, timeout: float | None = None) -> Any:  # noqa: A002 - the port's word
        return function, input

    def submit(self, function: str, /, input: Any = None) -> Any:  # noqa: A002 - as above
        return "submitted", function, input


def test_attributes_make_a_name_and_calling_it_calls() -> None:
    stats = Name(Recorder(), "stats")
    assert stats.correlation(data=[1]) == ("stats.correlation", {"data": [1]})
    assert stats({"whole": 1}) == ("stats", {"whole": 1})
    assert stats() == ("stats", {})
    assert repr(stats.x) == "<function stats.x>"


def test_the_functions_of_a_caller_are_its_attributes() -> None:
    shop = Recorder()
    assert shop.stats.correlation(data=[1]) == ("stats.correlation", {"data": [1]})
    assert shop.stats is shop.stats, "the look-up is made once"
    with pytest.raises(AttributeError):
        shop._repr_html_  # noqa: B018 - looked up, as notebooks do


def test_parameters_may_be_called_anything() -> None:
    assert Name(Recorder(), "f")(self=1, name=2, input=3) == ("f", {"self": 1, "name": 2, "input": 3})


def test_arguments_are_one_record_or_all_named() -> None:
    for whole, parameters in (((1, 2), {}), ((1,), {"a": 1})):
        with pytest.raises(TypeError, match="give parameters by name"):
            whole_input("f", whole, parameters)


def test_special_methods_are_no_functions() -> None:
    with pytest.raises(AttributeError):
        Name(Recorder(), "f").__wrapped__  # noqa: B018 - looked up, as introspection does


def test_submit_behind_a_full_name_submits() -> None:
    build = Name(Recorder(), "reports").build
    assert build.submit(year=2026) == ("submitted", "reports.build", {"year": 2026})
    assert build.submit({"whole": 1}) == ("submitted", "reports.build", {"whole": 1})
    assert Name(Recorder(), "jobs").submit(n=1) == ("jobs.submit", {"n": 1}), "a function may be called so"
