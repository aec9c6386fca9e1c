package dev.dragoman.internal.value;

import dev.dragoman.internal.wire.Sink;
import java.math.BigInteger;

/** Writes one value, part by part. What the codec cannot say throws `Mismatch`. */
public abstract class Writer {
    public final Sink sink;
    int depth;

    Writer(Sink sink) {
        this.sink = sink;
    }

    /** Begins anew: what was written so far is not part of the next value. */
    public void restart() {
        depth = 0;
    }

    final void deeper() throws Mismatch {
        if (++depth > Reader.DEPTH_MAX) {
            throw new Mismatch("nests more than " + Reader.DEPTH_MAX + " levels deep, or contains itself");
        }
    }

    public abstract void nothing();

    public abstract void bool(boolean value);

    public abstract void integer(long value);

    public abstract void big(BigInteger value) throws Mismatch;

    public abstract void number(double value) throws Mismatch;

    public abstract void number(float value) throws Mismatch;

    public abstract void text(String value) throws Mismatch;

    public abstract void bytes(byte[] value, int from, int size);

    public abstract void beginArray(int size) throws Mismatch;

    public abstract void endArray();

    public abstract void beginObject(int size) throws Mismatch;

    public abstract void key(String key) throws Mismatch;

    public abstract void key(Keys keys, int place);

    public abstract void endObject();

    /** Puts text as UTF-8; a lone surrogate is refused. Room must be there: 3 bytes a char. */
    final void utf8(String value) throws Mismatch {
        byte[] to = sink.data;
        int at = sink.size;
        int length = value.length();
        for (int index = 0; index < length; index++) {
            char unit = value.charAt(index);
            if (unit < 0x80) {
                to[at++] = (byte) unit;
            } else if (unit < 0x800) {
                to[at++] = (byte) (0xC0 | unit >> 6);
                to[at++] = (byte) (0x80 | unit & 0x3F);
            } else if (!Character.isSurrogate(unit)) {
                to[at++] = (byte) (0xE0 | unit >> 12);
                to[at++] = (byte) (0x80 | unit >> 6 & 0x3F);
                to[at++] = (byte) (0x80 | unit & 0x3F);
            } else {
                boolean paired = Character.isHighSurrogate(unit)
                        && index + 1 < length
                        && Character.isLowSurrogate(value.charAt(index + 1));
                if (!paired) {
                    throw new Mismatch("text with a lone surrogate cannot be written");
                }
                int point = Character.toCodePoint(unit, value.charAt(++index));
                to[at++] = (byte) (0xF0 | point >> 18);
                to[at++] = (byte) (0x80 | point >> 12 & 0x3F);
                to[at++] = (byte) (0x80 | point >> 6 & 0x3F);
                to[at++] = (byte) (0x80 | point & 0x3F);
            }
        }
        sink.size = at;
    }
}
