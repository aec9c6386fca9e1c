#!/bin/sh
# Format and lint; changes nothing.
set -eu
cd "$(dirname "$0")"
cargo fmt --all --check
cargo clippy --locked --quiet -j2 --all-targets --all-features -- -D warnings
