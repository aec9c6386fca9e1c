#!/bin/sh
# Every test of the library: offline, since it has no dependencies. Two packages at a time, as machines are shared.
set -eu
cd "$(dirname "$0")"
export GOFLAGS=-mod=mod GOPROXY=off GOTOOLCHAIN=local
exec go test -p 2 "$@" ./...
