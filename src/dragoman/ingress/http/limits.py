"""What a caller is told of its rate limit: `RateLimit-Policy` and `RateLimit`, as draft-ietf-httpapi-ratelimit-headers.

One limit is named, the one with the least left. A quota is for a window of whole seconds; what it has after `t` seconds
is all of it, if nobody takes any.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dragoman.core.call import Allowance


def limit_lines(allowance: Allowance) -> bytes:
    """The header lines."""
    quota, left, reset_s, window_s, policy = allowance
    name = policy.encode()
    return b'ratelimit-policy: "%b";q=%d;w=%d\r\nratelimit: "%b";r=%d;t=%d\r\n' % (
        name,
        quota,
        math.ceil(window_s),
        name,
        left,
        math.ceil(reset_s),
    )
