package dev.dragoman.internal.value;

import dev.dragoman.internal.wire.Sink;
import java.math.BigInteger;

/** MessagePack, each value in its shortest form. An integer past 64 bits is refused as the codec's fault. */
public final class MsgPackWriter extends Writer {
    public MsgPackWriter() {
        this(new Sink(256));
    }

    public MsgPackWriter(Sink sink) {
        super(sink);
    }

    private void put(int first, long value, int bytes) {
        sink.room(1 + bytes);
        byte[] to = sink.data;
        int at = sink.size;
        to[at++] = (byte) first;
        for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
            to[at++] = (byte) (value >>> shift);
        }
        sink.size = at;
    }

    @Override
    public void nothing() {
        sink.put(0xC0);
    }

    @Override
    public void bool(boolean value) {
        sink.put(value ? 0xC3 : 0xC2);
    }

    @Override
    public void integer(long value) {
        if (value >= -32 && value < 128) {
            sink.put((int) value);
        } else if (value >= 0) {
            if (value < 1 << 8) {
                put(0xCC, value, 1);
            } else if (value < 1 << 16) {
                put(0xCD, value, 2);
            } else if (value < 1L << 32) {
                put(0xCE, value, 4);
            } else {
                put(0xCF, value, 8);
            }
        } else if (value >= Byte.MIN_VALUE) {
            put(0xD0, value, 1);
        } else if (value >= Short.MIN_VALUE) {
            put(0xD1, value, 2);
        } else if (value >= Integer.MIN_VALUE) {
            put(0xD2, value, 4);
        } else {
            put(0xD3, value, 8);
        }
    }

    @Override
    public void big(BigInteger value) throws Mismatch {
        if (value.bitLength() <= 63) {
            integer(value.longValue());
        } else if (value.signum() > 0 && value.bitLength() == 64) {
            put(0xCF, value.longValue(), 8);
        } else {
            throw new Mismatch("an integer past 64 bits does not fit MessagePack", true);
        }
    }

    @Override
    public void number(double value) {
        put(0xCB, Double.doubleToRawLongBits(value), 8);
    }

    @Override
    public void number(float value) {
        number((double) value);
    }

    @Override
    public void text(String value) throws Mismatch {
        int length = value.length();
        sink.room(5 + Math.multiplyExact(length, 3));
        int start = sink.size;
        // Most texts are ASCII, so the head is as long as the number of characters asks for.
        int head = headBytes(length);
        sink.size = start + head;
        utf8(value);
        int bytes = sink.size - start - head;
        int real = headBytes(bytes);
        if (real != head) {
            System.arraycopy(sink.data, start + head, sink.data, start + real, bytes);
        }
        sink.size = start;
        if (real == 1) {
            sink.put(0xA0 | bytes);
        } else {
            put(real == 2 ? 0xD9 : real == 3 ? 0xDA : 0xDB, bytes, real - 1);
        }
        sink.size = start + real + bytes;
    }

    private static int headBytes(int bytes) {
        return bytes < 32 ? 1 : bytes < 256 ? 2 : bytes < 65536 ? 3 : 5;
    }

    @Override
    public void bytes(byte[] value, int from, int size) {
        if (size < 1 << 8) {
            put(0xC4, size, 1);
        } else if (size < 1 << 16) {
            put(0xC5, size, 2);
        } else {
            put(0xC6, size, 4);
        }
        sink.put(value, from, size);
    }

    private void head(int size, int fixed, int sixteen) throws Mismatch {
        deeper();
        if (size < 16) {
            sink.put(fixed | size);
        } else if (size < 1 << 16) {
            put(sixteen, size, 2);
        } else {
            put(sixteen + 1, size, 4);
        }
    }

    @Override
    public void beginArray(int size) throws Mismatch {
        head(size, 0x90, 0xDC);
    }

    @Override
    public void endArray() {
        depth--;
    }

    @Override
    public void beginObject(int size) throws Mismatch {
        head(size, 0x80, 0xDE);
    }

    @Override
    public void key(String key) throws Mismatch {
        text(key);
    }

    @Override
    public void key(Keys keys, int place) {
        byte[] name = keys.bytes[place];
        int real = headBytes(name.length);
        if (real == 1) {
            sink.put(0xA0 | name.length);
        } else {
            put(real == 2 ? 0xD9 : real == 3 ? 0xDA : 0xDB, name.length, real - 1);
        }
        sink.put(name);
    }

    @Override
    public void endObject() {
        depth--;
    }
}
