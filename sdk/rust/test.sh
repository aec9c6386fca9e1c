#!/bin/sh
# Runs the tests of the crate, and compiles its examples. CARGO_TARGET_DIR may name a shared folder.
set -eu
cd "$(dirname "$0")"
cargo test --locked --quiet -j2 --all-features
