#!/bin/sh
# Lint: everything that javac can find, as errors.
set -eu
cd "$(dirname "$0")"
./build.sh
mkdir -p target/test-classes
find src/test/java -name '*.java' >target/test-sources.txt
javac --release 17 -encoding UTF-8 -Xlint:all,-options -Werror -cp target/classes -d target/test-classes @target/test-sources.txt
if grep -rnE '.{131,}|	|[[:space:]]$' src --include='*.java'; then
    echo 'lines of at most 130 characters, without tabs or trailing spaces' >&2
    exit 1
fi
