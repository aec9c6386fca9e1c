#!/bin/sh
# Compiles the tests into target/test-classes, where something has changed.
set -eu
cd "$(dirname "$0")"
exec 9>target/lock
flock 9
if [ -e target/tests-built ] && [ -z "$(find target/built src/test -newer target/tests-built)" ]; then
    exit 0
fi
rm -rf target/test-classes target/tests-built
: >target/tests-begun
find src/test/java -name '*.java' >target/test-sources.txt
javac --release 17 -encoding UTF-8 -Xlint:all,-options -Werror -cp target/classes -d target/test-classes @target/test-sources.txt
mv target/tests-begun target/tests-built
