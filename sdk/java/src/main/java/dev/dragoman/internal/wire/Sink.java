package dev.dragoman.internal.wire;

import java.util.Arrays;

/** Bytes on their way out: an array that grows. */
public final class Sink {
    /** A sink that grew past this for one large body is let go again after it. */
    private static final int KEPT_BYTES_MAX = 1 << 20;

    public byte[] data;
    public int size;

    public Sink(int capacity) {
        data = new byte[capacity];
    }

    public void room(int more) {
        int need = size + more;
        if (need < 0) {
            throw new OutOfMemoryError("more than 2 GiB wait to be sent");
        }
        if (need > data.length) {
            data = Arrays.copyOf(data, (int) Math.min(Integer.MAX_VALUE - 8L, Math.max(need, 2L * data.length)));
        }
    }

    public void put(byte[] bytes, int offset, int length) {
        room(length);
        System.arraycopy(bytes, offset, data, size, length);
        size += length;
    }

    public void put(byte[] bytes) {
        put(bytes, 0, bytes.length);
    }

    public void put(int value) {
        if (size == data.length) {
            room(1);
        }
        data[size++] = (byte) value;
    }

    /** Writes a frame's header; the body is put after it. */
    public void header(
            int length, int kind, int flags, int codec, int function, int meta, long call, long amount, int checksum) {
        room(Frame.HEADER_BYTES);
        byte[] to = data;
        int at = size;
        int32(to, at, length);
        to[at + 4] = Frame.VERSION;
        to[at + 5] = (byte) kind;
        to[at + 6] = (byte) flags;
        to[at + 7] = (byte) codec;
        int32(to, at + 8, function);
        int32(to, at + 12, meta);
        int32(to, at + 16, (int) call);
        int32(to, at + 20, (int) (call >>> 32));
        int32(to, at + 24, (int) amount);
        int32(to, at + 28, checksum);
        size = at + Frame.HEADER_BYTES;
    }

    public static void int32(byte[] to, int at, int value) {
        to[at] = (byte) value;
        to[at + 1] = (byte) (value >>> 8);
        to[at + 2] = (byte) (value >>> 16);
        to[at + 3] = (byte) (value >>> 24);
    }

    public static void int64(byte[] to, int at, long value) {
        int32(to, at, (int) value);
        int32(to, at + 4, (int) (value >>> 32));
    }

    public byte[] take() {
        byte[] taken = Arrays.copyOf(data, size);
        clear();
        return taken;
    }

    public void clear() {
        size = 0;
        if (data.length > KEPT_BYTES_MAX) {
            data = new byte[64 * 1024];
        }
    }
}
