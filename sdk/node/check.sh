#!/bin/sh
# Format, types and syntax of the package; changes nothing.
set -eu
cd "$(dirname "$0")"
[ -d node_modules ] || npm ci --no-audit --no-fund --loglevel=error
npx --no-install prettier --check --log-level warn src test conformance compiler/package.json package.json tsconfig.json
npx --no-install tsc -p .
npx --no-install tsc -p test/types
