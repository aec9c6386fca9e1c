package dev.dragoman.internal.io;

import java.io.IOException;

/** A byte stream. One thread reads at a time, and one writes; an interrupt of either never breaks it. */
public interface Transport {
    /** Waits for bytes; how many came, -1 at the end. */
    int read(byte[] to) throws IOException;

    void write(byte[] from, int size) throws IOException;

    void close();
}
