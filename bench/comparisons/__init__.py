"""One module a comparison; each has `NAME`, `TITLE` and `run(plan) -> Comparison`."""
