"""The table `[shared]`: the store in which hosts keep together what each would else keep for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.config.environment import SHARED_URL, Address, shared_url
from dragoman.config.kinds import Duration, Text
from dragoman.config.problem import Refused
from dragoman.config.setting import Setting
from dragoman.stores.options import StoreOptions

if TYPE_CHECKING:
    from dragoman.config.document import Document


SHARED = (
    Setting(
        "url",
        Address(SHARED_URL),
        "none",
        "Where the Redis or Valkey is. `${NAME}` stands for a variable of the host's environment. "
        "`DRAGOMAN_SHARED_URL` comes before it.",
        "url",
    ),
    Setting(
        "prefix",
        Text("a prefix of keys, printable and without spaces", r"[!-~]{1,200}"),
        '"dragoman:" and the project\'s name',
        "What all keys and channels begin with.",
        "prefix",
    ),
    Setting(
        "timeout",
        Duration("1ms", "10s"),
        "50ms",
        "How long a call waits for the store; without an answer it goes on as if there were none.",
        "timeout_s",
    ),
)


def read_shared(document: Document, project: str) -> StoreOptions | None:
    """The store's options; None where neither the file nor the environment names one."""
    values = document.read(("shared",), SHARED)
    fields = {each.field: values[each.key].value for each in SHARED if each.key in values}
    try:
        fields["url"] = shared_url() or fields.get("url", "")
    except Refused as refusal:
        document.refuse(("shared",), refusal.message)
        return None
    if not fields["url"]:
        if "shared" in document.tables and "url" not in document.table(("shared",)):
            document.refuse(("shared",), 'needs a url (url = "redis://127.0.0.1:6379"), here or in DRAGOMAN_SHARED_URL')
        return None
    fields.setdefault("prefix", f"dragoman:{project}")
    return StoreOptions(**fields)
