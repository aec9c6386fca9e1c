#!/bin/sh
# Lint: everything that javac can find, as errors.
set -eu
cd "$(dirname "$0")"
./build.sh
./build-tests.sh
if grep -rnE '.{131,}|	|[[:space:]]$' src --include='*.java'; then
    echo 'lines of at most 130 characters, without tabs or trailing spaces' >&2
    exit 1
fi
