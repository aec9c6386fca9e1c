#!/bin/sh
# Format and lint, changing nothing.
set -eu
cd "$(dirname "$0")"
# The Go of PyPI comes without gofmt, but with its source.
unformatted=$(if command -v gofmt >/dev/null; then gofmt -l .; else go run cmd/gofmt -l .; fi)
if [ -n "$unformatted" ]; then
    echo "not formatted (gofmt -w mends it):" "$unformatted" >&2
    exit 1
fi
go vet ./...
