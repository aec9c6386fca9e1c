package dev.dragoman.internal.value;

import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;

/** MessagePack: one value, no extension types but the timestamp. Keys that are integers are read as text. */
public final class MsgPackReader extends Reader {
    private String lastKey;
    /** What `head` found: the size or count that a value's first bytes say, and where what follows begins. */
    private long size;

    private int content;

    public MsgPackReader(byte[] data, int from, int size) {
        super(data, from, size);
    }

    private Mismatch malformed(String what) {
        return new Mismatch("not valid MessagePack: " + what + " at byte " + at);
    }

    private int first() throws Mismatch {
        if (at >= end) {
            throw malformed("it ends too early");
        }
        return data[at] & 0xFF;
    }

    @Override
    public int peek() throws Mismatch {
        int first = first();
        if (first < 0x80 || first >= 0xE0 || first >= 0xCC && first <= 0xD3) {
            return INTEGER;
        }
        if (first < 0x90 || first == 0xDE || first == 0xDF) {
            return OBJECT;
        }
        if (first < 0xA0 || first == 0xDC || first == 0xDD) {
            return ARRAY;
        }
        if (first < 0xC0 || first >= 0xD9 && first <= 0xDB) {
            return TEXT;
        }
        switch (first) {
            case 0xC0:
                return NULL;
            case 0xC2:
            case 0xC3:
                return BOOLEAN;
            case 0xC4:
            case 0xC5:
            case 0xC6:
                return BYTES;
            case 0xCA:
            case 0xCB:
                return FLOAT;
            case 0xC1:
                throw malformed("a byte that is never used");
            default:
                return MOMENT;
        }
    }

    /** An unsigned integer of `bytes` bytes behind the first one. */
    private long unsigned(int bytes) throws Mismatch {
        if (end - at - 1 < bytes) {
            throw malformed("it ends too early");
        }
        long value = 0;
        for (int place = at + 1; place <= at + bytes; place++) {
            value = value << 8 | data[place] & 0xFF;
        }
        content = at + 1 + bytes;
        return value;
    }

    private void sized(int fixed, int bytes) throws Mismatch {
        if (bytes == 0) {
            size = fixed;
            content = at + 1;
        } else {
            size = unsigned(bytes);
        }
    }

    private int take() throws Mismatch {
        if (size > end - content) {
            throw malformed("it ends too early");
        }
        at = content + (int) size;
        return content;
    }

    @Override
    public void readNull() throws Mismatch {
        if (first() != 0xC0) {
            throw unlike("null");
        }
        at++;
    }

    @Override
    public boolean readBoolean() throws Mismatch {
        int first = first();
        if (first != 0xC2 && first != 0xC3) {
            throw unlike("a boolean");
        }
        at++;
        return first == 0xC3;
    }

    @Override
    public long readLong() throws Mismatch {
        int first = first();
        if (first < 0x80 || first >= 0xE0) {
            at++;
            return (byte) first;
        }
        long value;
        switch (first) {
            case 0xCC:
                value = unsigned(1);
                break;
            case 0xCD:
                value = unsigned(2);
                break;
            case 0xCE:
                value = unsigned(4);
                break;
            case 0xCF:
                value = unsigned(8);
                if (value < 0) {
                    throw new Mismatch("an integer that does not fit 64 bits");
                }
                break;
            case 0xD0:
                value = (byte) unsigned(1);
                break;
            case 0xD1:
                value = (short) unsigned(2);
                break;
            case 0xD2:
                value = (int) unsigned(4);
                break;
            case 0xD3:
                value = unsigned(8);
                break;
            default:
                throw unlike("an integer");
        }
        at = content;
        return value;
    }

    @Override
    public BigInteger readBig() throws Mismatch {
        if (first() == 0xCF) {
            long value = unsigned(8);
            at = content;
            return new BigInteger(Long.toUnsignedString(value));
        }
        return BigInteger.valueOf(readLong());
    }

    @Override
    public double readDouble() throws Mismatch {
        int first = first();
        if (first == 0xCB || first == 0xCA) {
            double value = first == 0xCB
                    ? Double.longBitsToDouble(unsigned(8))
                    : Float.intBitsToFloat((int) unsigned(4));
            at = content;
            return value;
        }
        if (peek() != INTEGER) {
            throw unlike("a number");
        }
        return exact(readBig());
    }

    @Override
    public float readFloat() throws Mismatch {
        return Numbers.exactFloat(readDouble());
    }

    private void textHead() throws Mismatch {
        int first = first();
        if (first >= 0xA0 && first < 0xC0) {
            sized(first & 0x1F, 0);
        } else if (first >= 0xD9 && first <= 0xDB) {
            sized(0, 1 << first - 0xD9);
        } else {
            throw unlike("text");
        }
    }

    @Override
    public String readText() throws Mismatch {
        textHead();
        int from = take();
        int stop = at;
        for (int place = from; place < stop; place++) {
            if (data[place] < 0) {
                return JsonReader.utf8(data, from, stop - from);
            }
        }
        return new String(data, from, stop - from, StandardCharsets.ISO_8859_1);
    }

    @Override
    public byte[] readBytes() throws Mismatch {
        int first = first();
        if (peek() == TEXT) {
            // As JSON writes them: whoever turns one into the other may not know which texts are bytes.
            return JsonReader.base64(readText());
        }
        if (first < 0xC4 || first > 0xC6) {
            throw unlike("bytes");
        }
        sized(0, 1 << first - 0xC4);
        int from = take();
        return java.util.Arrays.copyOfRange(data, from, at);
    }

    @Override
    public Instant readMoment() throws Mismatch {
        int first = first();
        if (first >= 0xD4 && first <= 0xD8) {
            sized(1 << first - 0xD4, 0);
        } else if (first >= 0xC7 && first <= 0xC9) {
            sized(0, 1 << first - 0xC7);
        } else {
            throw unlike("a moment");
        }
        int type = content;
        content++;
        int from = take();
        if (data[type] != -1) {
            throw new Mismatch("extension type " + data[type] + " is not known here");
        }
        try {
            switch ((int) size) {
                case 4:
                    return Instant.ofEpochSecond(big(from, 4));
                case 8:
                    long both = big(from, 8);
                    return moment(both & 0x3FFFFFFFFL, both >>> 34);
                case 12:
                    return moment(big(from + 4, 8), big(from, 4));
                default:
                    throw malformed("a timestamp of " + size + " bytes");
            }
        } catch (DateTimeException error) {
            throw new Mismatch("a moment that no calendar has");
        }
    }

    private Instant moment(long seconds, long nanos) throws Mismatch {
        if (nanos > 999_999_999) {
            throw malformed("a timestamp with too many nanoseconds");
        }
        return Instant.ofEpochSecond(seconds, nanos);
    }

    private long big(int from, int bytes) {
        long value = 0;
        for (int place = from; place < from + bytes; place++) {
            value = value << 8 | data[place] & 0xFF;
        }
        return value;
    }

    private void open(long count, int bytesEach) throws Mismatch {
        if (count * bytesEach > end - content) {
            throw malformed("it ends too early");
        }
        at = content;
        push((int) count);
    }

    @Override
    public void beginArray() throws Mismatch {
        int first = first();
        if (first >= 0x90 && first < 0xA0) {
            sized(first & 0x0F, 0);
        } else if (first == 0xDC || first == 0xDD) {
            sized(0, first == 0xDC ? 2 : 4);
        } else {
            throw unlike("an array");
        }
        open(size, 1);
    }

    @Override
    public boolean nextItem() {
        int left = top();
        if (left == 0) {
            depth--;
            return false;
        }
        top(left - 1);
        return true;
    }

    @Override
    public void beginObject() throws Mismatch {
        int first = first();
        if (first >= 0x80 && first < 0x90) {
            sized(first & 0x0F, 0);
        } else if (first == 0xDE || first == 0xDF) {
            sized(0, first == 0xDE ? 2 : 4);
        } else {
            throw unlike("an object");
        }
        open(size, 2);
    }

    @Override
    public String nextKey() throws Mismatch {
        if (!nextItem()) {
            return null;
        }
        switch (peek()) {
            case TEXT:
                return readText();
            case INTEGER:
                return readBig().toString();
            default:
                throw new Mismatch("the keys of an object must be text");
        }
    }

    @Override
    public int nextKey(Keys keys, int expected) throws Mismatch {
        if (!nextItem()) {
            return -1;
        }
        if (expected < keys.size() && peek() == TEXT) {
            textHead();
            if (size == keys.bytes[expected].length && keys.matches(expected, data, content, end, -1)) {
                at = content + (int) size;
                return expected;
            }
        }
        top(top() + 1);
        lastKey = nextKey();
        return keys.find(lastKey);
    }

    @Override
    public String lastKey() {
        return lastKey;
    }

    @Override
    public void finish() throws Mismatch {
        if (at < end) {
            throw malformed("something after the value");
        }
    }
}
