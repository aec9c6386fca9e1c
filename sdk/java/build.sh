#!/bin/sh
# Compiles the library into target/classes: no download, no Maven.
set -eu
cd "$(dirname "$0")"
mkdir -p target/classes
find src/main/java -name '*.java' >target/sources.txt
javac --release 17 -encoding UTF-8 -Xlint:all,-options -Werror -XDstringConcat=inline -d target/classes @target/sources.txt
