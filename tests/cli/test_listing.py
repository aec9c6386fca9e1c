from dragoman.cli.listing import rows
from dragoman.contract.function import Contract


def test_a_row_has_the_first_line_of_a_description() -> None:
    entries = [
        {"name": "s.f", "language": "python", "mode": "warm", "description": "First.\n\nSecond."},
        {"name": "s.g", "language": "exec", "mode": "exec", "description": "x" * 100},
    ]
    contracts = {"s.f": Contract("f"), "s.g": Contract("g")}
    first, second = rows(entries, contracts)
    assert first == ("s.f() -> any", "python", "warm", "First.")
    assert second[3] == "x" * 79 + "…"
