#!/bin/sh
# Says which group of pyproject.toml brings Go and Node from PyPI, if this machine has none that will do: nothing else is
# as new on an old distribution, and nothing has to be installed system-wide. Prints nothing where there is no need.
#
#   tools/bootstrap.sh dev $(tools/toolchains.sh)
set -eu

# least PROGRAM WANTED FOUND: whether version FOUND is at least WANTED, both MAJOR.MINOR.
least() {
    [ -n "$3" ] && [ "$(printf '%s\n%s\n' "$2" "$3" | sort -t. -k1,1n -k2,2n | head -n 1)" = "$2" ] && return
    printf 'toolchains: %s %s or newer is needed, found: %s\n' "$1" "$2" "${3:-none}" >&2
    return 1
}

number='s/^[^0-9]*\([0-9][0-9]*\.[0-9][0-9]*\).*/\1/p'
go_found=$(go version 2>/dev/null | sed -n "$number" || true)
node_found=$(node --version 2>/dev/null | sed -n "$number" || true)
command -v npm >/dev/null 2>&1 || node_found=
cargo_found=$(cargo --version 2>/dev/null | sed -n "$number" || true)

need=
least go 1.23 "$go_found" || need=yes
least node 20.0 "$node_found" || need=yes
[ -z "$need" ] || echo toolchains
# PyPI has no Rust: tools/system.sh installs the system's where there is none, and where it is too old, people must.
[ -z "$cargo_found" ] || least cargo 1.85 "$cargo_found" ||
    printf 'toolchains: to get it: apt-get install cargo (Debian 12: cargo-web), or https://rustup.rs\n' >&2
