#!/bin/sh
# Makes sure that system programs are there, and installs them where it may: `tools/system.sh jq gawk wrk`.
#
# As root on a Debian-like system what is missing is installed. Elsewhere it is named with the command that installs
# it, and that is an error only in CI (CI=true), where a skipped test would go unnoticed.
set -eu

package_of() {
    case $1 in
        awk) echo gawk ;;
        node) echo nodejs ;;
        # The Java of the distribution: 17 or newer wherever there is a Python that is new enough.
        javac | java) echo default-jdk-headless ;;
        mvn) echo maven ;;
        *) echo "$1" ;;
    esac
}

is_there() {
    case $1 in
        python3-venv) python3 -c 'import ensurepip, venv' 2>/dev/null ;;
        *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

missing=
for program in "$@"; do
    is_there "$program" || missing="$missing $(package_of "$program")"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    printf 'system: installing%s\n' "$missing" >&2
    export DEBIAN_FRONTEND=noninteractive
    # A package list that is out of date is no reason to stop: what is wanted may be in it.
    apt-get update -qq </dev/null >&2 || printf 'system: apt-get update failed, trying with the lists at hand\n' >&2
    # shellcheck disable=SC2086 # one argument for each package
    apt-get install -y -qq --no-install-recommends $missing </dev/null >&2 || true
fi

still=
for program in "$@"; do
    is_there "$program" || still="$still $(package_of "$program")"
done
[ -n "$still" ] || exit 0
printf 'system: missing:%s; to install: sudo apt-get install%s\n' "$still" "$still" >&2
[ "${CI:-}" != true ]
