#!/bin/sh
# Format and lint, changing nothing.
set -eu
cd "$(dirname "$0")"
unformatted=$(gofmt -l .)
if [ -n "$unformatted" ]; then
    echo "not formatted (gofmt -w mends it):" "$unformatted" >&2
    exit 1
fi
go vet ./...
