#!/bin/sh
# Runs the tests of the crate, its documentation and its conformance guest. CARGO_TARGET_DIR may name a shared folder.
set -eu
cd "$(dirname "$0")"
cargo test --locked --quiet -j2
