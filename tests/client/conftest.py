from collections.abc import Generator

import pytest

from tests.cli.commandline import SHOP, serving


@pytest.fixture(scope="session")
def shop_url() -> Generator[str]:
    """The address of a host that serves the command line's `sources/shop.py`."""
    with serving(SHOP) as ready:
        yield ready["url"]
