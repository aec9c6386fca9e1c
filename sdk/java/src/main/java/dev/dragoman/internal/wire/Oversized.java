package dev.dragoman.internal.wire;

/** A body that is more than the peer accepts. */
public final class Oversized extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public Oversized(long size, long max) {
        super("a frame of " + size + " bytes is more than the peer accepts (" + max + ")");
    }
}
