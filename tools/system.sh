#!/bin/sh
# Makes sure that system programs are there, and installs them where it may: `tools/system.sh jq gawk wrk`.
#
# As root on a Debian-like system what is missing is installed. Elsewhere it is named with the command that installs
# it, and that is an error only in CI (CI=true), where a skipped test would go unnoticed.
set -eu

# Debian 12 has a Rust that is new enough under names of its own, beside one that is not.
either() {
    if apt-cache show "$1" >/dev/null 2>&1; then echo "$1"; else echo "$2"; fi
}

package_of() {
    case $1 in
        awk) echo gawk ;;
        node) echo nodejs ;;
        # The Java of the distribution: 17 or newer wherever there is a Python that is new enough.
        javac | java) echo default-jdk-headless ;;
        mvn) echo maven ;;
        cargo) either cargo-web cargo ;;
        rustfmt) either rustfmt-web rustfmt ;;
        cargo-clippy) either rust-web-clippy rust-clippy ;;
        *) echo "$1" ;;
    esac
}

is_there() {
    case $1 in
        python3-venv) python3 -c 'import ensurepip, venv' 2>/dev/null ;;
        *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

missing() {
    for program in "$@"; do is_there "$program" || package_of "$program"; done
}

[ -n "$(missing "$@")" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    export DEBIAN_FRONTEND=noninteractive
    # A package list that is out of date is no reason to stop: what is wanted may be in it.
    apt-get update -qq </dev/null >&2 || printf 'system: apt-get update failed, trying with the lists at hand\n' >&2
    # Only these lists say which packages there are.
    packages=$(missing "$@" | tr '\n' ' ')
    printf 'system: installing %s\n' "$packages" >&2
    # Servers are for the tests to start, in folders of their own: none is to run because its package came.
    policy=/usr/sbin/policy-rc.d
    if ! [ -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
        trap 'rm -f "$policy"' EXIT
        trap 'exit 1' HUP INT TERM
    fi
    # shellcheck disable=SC2086 # one argument for each package
    apt-get install -y -qq --no-install-recommends $packages </dev/null >&2 || true
fi

still=$(missing "$@" | tr '\n' ' ')
[ -n "$still" ] || exit 0
printf 'system: missing: %s; to install: sudo apt-get install %s\n' "$still" "$still" >&2
[ "${CI:-}" != true ]
