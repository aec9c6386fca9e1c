from __future__ import annotations

from dragoman.generate.readers import readers, used_in


def test_only_what_is_used_is_written_and_types_only_where_there_are_any() -> None:
    assert used_in("record(() => ({ a: list(bytes) }))") == {"record", "list", "bytes"}
    typed, plain = readers({"bytes", "union"}, typed=True), readers({"bytes", "union"}, typed=False)
    assert len(typed) == len(plain) + 1
    assert "Read" in "".join(typed)
    assert "Read" not in "".join(plain)
    assert "any" not in "".join(readers(used_in("bytes nullable list row map record union each"), typed=False)).split()
