#!/bin/sh
# Compiles the library and the conformance service into the folder that is named, with an archive of the classes that a
# start loads, since many cases need a fresh guest.
set -eu
cd "$(dirname "$0")"
../build.sh
out=$1
javac --release 17 -encoding UTF-8 -cp ../target/classes -d "$out/classes" Service.java
jar cf "$out/library.jar" -C ../target/classes .
jar cf "$out/service.jar" -C "$out/classes" .
DRAGOMAN_REHEARSAL=1 java -XX:ArchiveClassesAtExit="$out/service.jsa" -cp "$out/library.jar:$out/service.jar" \
    dev.dragoman.Launcher Service </dev/null >"$out/archive.log" 2>&1
