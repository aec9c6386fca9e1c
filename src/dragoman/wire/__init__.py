"""Bytes in, events out: the protocol between a host and a guest, without any I/O. `proto/SPEC.md` is its truth."""
