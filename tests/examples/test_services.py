"""The example of services as sources does what its first lines say."""

from __future__ import annotations

from pathlib import Path

import pytest

import dragoman

FOLDER = Path(__file__).parents[2] / "examples/services"


def test_a_service_is_called_by_its_url_and_by_its_document() -> None:
    with dragoman.open(FOLDER) as project:
        assert project.call("convert", {"amount": 10, "to": "USD"}) == {"amount": 12.5}
        assert project.call("rates.getRate", {"currency": "JPY"}) == {"rate": 160.0}
        with pytest.raises(dragoman.NotFound, match="no such currency"):
            project.call("rates.getRate", {"currency": "XXX"})
