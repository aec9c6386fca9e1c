#!/bin/sh
# Makes a virtual environment with the locked dependencies of the groups that a verb needs.
#
#   tools/bootstrap.sh [GROUP ...]        groups of pyproject.toml: dev, demo, bench, toolchains
#
# Needs Python 3.11 or newer and access to PyPI, nothing else. Groups asked for earlier stay installed, so that
# `make demo` and `make test` do not undo one another. A second run with nothing changed takes milliseconds.
#
#   VENV=.venv        where the environment goes
#   PYTHON=python3    an interpreter, or a version such as 3.13
set -eu

cd "$(dirname "$0")/.."
venv=${VENV:-.venv}
python=${PYTHON:-}
stamp=$venv/.dragoman-stamp
uv_home=.uv

say() { printf 'bootstrap: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# -- Nothing to do? ---------------------------------------------------------------------------------------------------

# The lock says what is installed, pyproject.toml how the project itself is, and the folder where it is installed from.
want=$({ cat uv.lock pyproject.toml; printf '%s %s' "$PWD" "$python"; } | cksum)
groups=$(printf '%s\n' "$@")
if [ -f "$stamp" ]; then
    have=$(head -n 1 "$stamp")
    groups=$(printf '%s\n%s\n' "$groups" "$(tail -n +2 "$stamp")")
    groups=$(printf '%s\n' "$groups" | sed '/^$/d' | sort -u)
    if [ "$have" = "$want" ] && [ "$groups" = "$(tail -n +2 "$stamp")" ] && [ -x "$venv/bin/python" ]; then
        exit 0
    fi
fi
groups=$(printf '%s\n' "$groups" | sed '/^$/d' | sort -u)

# -- uv, from PyPI ----------------------------------------------------------------------------------------------------

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    for candidate in ${python:-} python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null 2>&1 && new_enough "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
}

install_uv() {
    base=$(find_python)
    [ -n "$base" ] || fail "needs Python 3.11 or newer: apt-get install python3 python3-venv"
    say "getting uv from PyPI into $uv_home"
    rm -rf "$uv_home"
    if "$base" -m venv "$uv_home" >/dev/null 2>&1; then
        "$uv_home/bin/python" -m pip install --quiet --disable-pip-version-check "uv$uv_range"
    elif "$base" -m pip --version >/dev/null 2>&1; then
        rm -rf "$uv_home"
        "$base" -m pip install --quiet --disable-pip-version-check --target "$uv_home" "uv$uv_range"
    elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        say "installing python3-venv, without which this Python cannot install anything"
        tools/system.sh python3-venv
        rm -rf "$uv_home"
        "$base" -m venv "$uv_home"
        "$uv_home/bin/python" -m pip install --quiet --disable-pip-version-check "uv$uv_range"
    else
        fail "this Python has neither venv nor pip: apt-get install python3-venv"
    fi
}

# The lock file is of format revision 3, which uv writes and reads from 0.8 on.
uv_range=">=0.8"
if [ -x "$uv_home/bin/uv" ] && "$uv_home/bin/uv" --version >/dev/null 2>&1; then
    uv=$uv_home/bin/uv
elif command -v uv >/dev/null 2>&1 && uv sync --help 2>/dev/null | grep -q -- --no-default-groups; then
    uv=uv
else
    install_uv
    uv=$uv_home/bin/uv
fi

# -- The environment --------------------------------------------------------------------------------------------------

# A copy works across file systems, and nothing that a test does to the environment reaches uv's cache.
UV_LINK_MODE=${UV_LINK_MODE:-copy}
UV_PROJECT_ENVIRONMENT=$venv
export UV_LINK_MODE UV_PROJECT_ENVIRONMENT
# Where there is no home to keep a cache in, it stays in the repository.
if [ ! -w "${UV_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/nonexistent}}}" ]; then
    UV_CACHE_DIR=$PWD/$uv_home/cache
    export UV_CACHE_DIR
fi
set --
for group in $groups; do set -- "$@" --group "$group"; done
# An environment that is there keeps its interpreter, whatever the PATH says today.
if [ -n "$python" ] || ! [ -x "$venv/bin/python" ]; then
    [ -n "$python" ] || python=$(find_python)
    [ -n "$python" ] || fail "needs Python 3.11 or newer: apt-get install python3 python3-venv"
    set -- "$@" --python "$python"
fi
say "installing the locked dependencies into $venv, groups: $(printf '%s' "${groups:-none}" | tr '\n' ' ')"
rm -f "$stamp"
"$uv" sync --quiet --frozen --compile-bytecode --no-default-groups "$@"
{ printf '%s\n' "$want"; printf '%s\n' "$groups"; } >"$stamp"
say "$("$venv/bin/python" --version) is ready in $venv"
