#!/bin/sh
# Compiles the library into target/classes: no download, no Maven. Nothing to do where nothing has changed.
set -eu
cd "$(dirname "$0")"
mkdir -p target
# Tests of several kinds may build at once.
exec 9>target/lock
flock 9
if [ -e target/built ] && [ -z "$(find build.sh src/main -newer target/built)" ]; then
    exit 0
fi
rm -rf target/classes target/built
mkdir target/classes
: >target/begun
lint='-encoding UTF-8 -Xlint:all,-options -Werror -XDstringConcat=inline -d target/classes'
# What uses sun.misc.Unsafe: against the JDK itself, since javac warns of it otherwise, and no option silences that.
io=src/main/java/dev/dragoman/internal/io
# shellcheck disable=SC2086
javac -source 17 -target 17 -XDignore.symbol.file $lint $io/Descriptor.java $io/Transport.java
find src/main/java -name '*.java' ! -name Descriptor.java >target/sources.txt
# shellcheck disable=SC2086
javac --release 17 $lint -cp target/classes @target/sources.txt
mv target/begun target/built
