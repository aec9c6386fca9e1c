#!/bin/sh
# Runs the tests: with the JDK alone, offline. Arguments name the tests to run.
set -eu
cd "$(dirname "$0")"
./build.sh
mkdir -p target/test-classes
find src/test/java -name '*.java' >target/test-sources.txt
javac --release 17 -encoding UTF-8 -cp target/classes -d target/test-classes @target/test-sources.txt
exec java -cp target/classes:target/test-classes dev.dragoman.RunTests "$@"
