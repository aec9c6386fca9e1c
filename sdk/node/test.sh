#!/bin/sh
# The tests of the package. They need its development dependencies, which npm fetches the first time.
set -eu
cd "$(dirname "$0")"
[ -d node_modules ] || npm ci --no-audit --no-fund --loglevel=error
exec node --test --test-reporter=dot test/*.test.js
