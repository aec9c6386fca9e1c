#!/bin/sh
# Compiles the library and the conformance service into the folder that is named.
set -eu
cd "$(dirname "$0")"
../build.sh
javac --release 17 -encoding UTF-8 -cp ../target/classes -d "$1" Service.java
