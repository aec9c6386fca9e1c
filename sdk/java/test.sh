#!/bin/sh
# Runs the tests: with the JDK alone, offline. Arguments name the tests to run.
set -eu
cd "$(dirname "$0")"
./build.sh
./build-tests.sh
exec java -cp target/classes:target/test-classes dev.dragoman.RunTests "$@"
