from tools.tidy.finding import Finding


def test_a_finding_reads_as_place_fact_and_remedy() -> None:
    assert str(Finding("src/a.py", 3, "it is long", "split it")) == "src/a.py:3: it is long; split it"
