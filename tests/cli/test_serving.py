import errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dragoman.cli.outcome import Stop
from dragoman.cli.serving import SHOWN_MAX, ServeOptions, http_options, listing, refusal
from dragoman.config.environment import Overrides
from dragoman.config.project import FunctionSettings, Source
from dragoman.contract.function import Contract
from dragoman.core.target import Target
from dragoman.host.registry import Entry
from dragoman.ingress.http.options import HttpOptions

NOTHING = ServeOptions(
    host=None, port=None, watch=False, debug=False, tls_cert=None, tls_key=None, log=None, as_json=False
)


def test_options_come_before_the_environment_and_that_before_the_file() -> None:
    from_file = HttpOptions(host="10.0.0.1", port=1, debug=True)
    from_environment = Overrides(port=2).http(from_file)
    assert http_options(from_environment, NOTHING) == replace(from_file, port=2)
    assert http_options(from_environment, replace(NOTHING, port=0, host="::1")).port == 0


def test_half_of_a_tls_pair_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Stop, match="belong together"):
        http_options(HttpOptions(), replace(NOTHING, tls_key="key.pem"))
    missing = str(tmp_path / "nothing.pem")
    with pytest.raises(Stop, match="there is no file"):
        http_options(HttpOptions(), replace(NOTHING, tls_cert=missing, tls_key=missing))


@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.EADDRINUSE, "is taken by another program"), (errno.EACCES, "above 1023"), (errno.EMFILE, "Errno 24")],
)
def test_why_it_cannot_listen_comes_with_what_to_do(number: int, said: str) -> None:
    assert said in refusal(OSError(f"cannot listen: {OSError(number, 'x')}"), HttpOptions(), Overrides())


def test_a_long_list_of_functions_is_cut() -> None:
    source = Source("s", "guest", Path("/"))

    def entry(name: str) -> Entry:
        unused: Any = None
        target = Target(name, "s", "f", 0, 1.0)
        return Entry(Contract("f"), target, source, unused, unused, inner=unused, settings=FunctionSettings())

    lines = listing({f"s.f{number:03}": entry(f"s.f{number:03}") for number in range(SHOWN_MAX + 7)})
    assert lines[0] == "  s.f000() -> any  [python, warm]"
    assert (len(lines), lines[-1]) == (SHOWN_MAX + 1, "  … and 7 more")
