package dev.dragoman.internal.value;

import java.math.BigInteger;
import java.time.Instant;

/** Reads one value from bytes, part by part. Everything that may be wrong with them throws `Mismatch`. */
public abstract class Reader {
    /** SPEC.md §18: values nest at most this deep. */
    public static final int DEPTH_MAX = 500;

    public static final int NULL = 0;
    public static final int BOOLEAN = 1;
    public static final int INTEGER = 2;
    public static final int FLOAT = 3;
    public static final int TEXT = 4;
    public static final int BYTES = 5;
    public static final int ARRAY = 6;
    public static final int OBJECT = 7;
    public static final int MOMENT = 8;

    private static final String[] NAMES = {
        "null", "a boolean", "an integer", "a number", "text", "bytes", "an array", "an object", "a moment"
    };

    final byte[] data;
    int at;
    final int end;
    int depth;
    /** Per container that is open: what is left of it, or whether it has begun. */
    private int[] open = new int[16];

    Reader(byte[] data, int from, int size) {
        this.data = data;
        at = from;
        end = from + size;
    }

    final void push(int state) throws Mismatch {
        if (depth == DEPTH_MAX) {
            throw new Mismatch("nested more than " + DEPTH_MAX + " levels deep");
        }
        if (depth == open.length) {
            open = java.util.Arrays.copyOf(open, depth * 2);
        }
        open[depth++] = state;
    }

    final int top() {
        return open[depth - 1];
    }

    final void top(int state) {
        open[depth - 1] = state;
    }

    final Mismatch unlike(String wanted) throws Mismatch {
        return new Mismatch("must be " + wanted + ", not " + NAMES[peek()]);
    }

    public static String nameOf(int kind) {
        return NAMES[kind];
    }

    /** What comes next. */
    public abstract int peek() throws Mismatch;

    public abstract void readNull() throws Mismatch;

    public abstract boolean readBoolean() throws Mismatch;

    /** An integer of 64 bits. */
    public abstract long readLong() throws Mismatch;

    /** An integer of any size. */
    public abstract BigInteger readBig() throws Mismatch;

    /** A number that a `double` holds; integers only if it holds them exactly. */
    public abstract double readDouble() throws Mismatch;

    public abstract float readFloat() throws Mismatch;

    public abstract String readText() throws Mismatch;

    public abstract byte[] readBytes() throws Mismatch;

    public abstract Instant readMoment() throws Mismatch;

    public abstract void beginArray() throws Mismatch;

    /** Whether another item follows; false ends the array. */
    public abstract boolean nextItem() throws Mismatch;

    public abstract void beginObject() throws Mismatch;

    /** The next key; null ends the object. */
    public abstract String nextKey() throws Mismatch;

    /** The next key's place in `keys`, -1 at the end of the object, -2 for an unknown one, which `lastKey` tells. */
    public abstract int nextKey(Keys keys, int expected) throws Mismatch;

    public abstract String lastKey();

    /** Throws unless all bytes are used up. */
    public abstract void finish() throws Mismatch;

    public final long mark() {
        return (long) depth << 32 | at;
    }

    public final void reset(long mark) {
        depth = (int) (mark >>> 32);
        at = (int) mark;
    }

    /** Reads past one value. */
    public final void skip() throws Mismatch {
        switch (peek()) {
            case NULL:
                readNull();
                break;
            case BOOLEAN:
                readBoolean();
                break;
            case INTEGER:
                readBig();
                break;
            case FLOAT:
                readDouble();
                break;
            case TEXT:
                readText();
                break;
            case BYTES:
                readBytes();
                break;
            case MOMENT:
                readMoment();
                break;
            case ARRAY:
                beginArray();
                while (nextItem()) {
                    skip();
                }
                break;
            default:
                beginObject();
                while (nextKey() != null) {
                    skip();
                }
        }
    }

    static double exact(BigInteger value) throws Mismatch {
        double number = value.doubleValue();
        if (Double.isInfinite(number) || !new java.math.BigDecimal(number).toBigInteger().equals(value)) {
            throw new Mismatch("an integer that a number of 64 bits cannot hold exactly");
        }
        return number;
    }
}
