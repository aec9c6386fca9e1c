"""One layer a file: what may be put around a function's service."""
