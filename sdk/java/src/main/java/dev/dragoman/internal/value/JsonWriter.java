package dev.dragoman.internal.value;

import dev.dragoman.internal.wire.Sink;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.Base64;

/** JSON without spaces. */
public final class JsonWriter extends Writer {
    private static final byte[] NULL = {'n', 'u', 'l', 'l'};
    private static final byte[] TRUE = {'t', 'r', 'u', 'e'};
    private static final byte[] FALSE = {'f', 'a', 'l', 's', 'e'};
    private static final byte[] LEAST = Long.toString(Long.MIN_VALUE).getBytes(StandardCharsets.US_ASCII);

    /** Whether the next value or key needs a comma before it. */
    private boolean comma;

    public JsonWriter() {
        this(new Sink(256));
    }

    public JsonWriter(Sink sink) {
        super(sink);
    }

    @Override
    public void restart() {
        super.restart();
        comma = false;
    }

    private void begin() {
        if (comma) {
            sink.put(',');
        }
        comma = true;
    }

    private void ascii(String text) {
        int length = text.length();
        sink.room(length);
        byte[] to = sink.data;
        int at = sink.size;
        for (int index = 0; index < length; index++) {
            to[at + index] = (byte) text.charAt(index);
        }
        sink.size = at + length;
    }

    @Override
    public void nothing() {
        begin();
        sink.put(NULL);
    }

    @Override
    public void bool(boolean value) {
        begin();
        sink.put(value ? TRUE : FALSE);
    }

    @Override
    public void integer(long value) {
        begin();
        if (value == Long.MIN_VALUE) {
            sink.put(LEAST);
            return;
        }
        sink.room(20);
        byte[] to = sink.data;
        long left = Math.abs(value);
        int digits = 1;
        for (long power = 10; digits < 19 && left >= power; power *= 10) {
            digits++;
        }
        int at = sink.size;
        if (value < 0) {
            to[at++] = '-';
        }
        for (int place = at + digits - 1; place >= at; place--) {
            to[place] = (byte) ('0' + left % 10);
            left /= 10;
        }
        sink.size = at + digits;
    }

    @Override
    public void big(BigInteger value) {
        begin();
        ascii(value.toString());
    }

    @Override
    public void number(double value) throws Mismatch {
        if (Double.isNaN(value) || Double.isInfinite(value)) {
            throw new Mismatch("NaN and infinity have no form in JSON");
        }
        begin();
        ascii(Numbers.text(value));
    }

    @Override
    public void number(float value) throws Mismatch {
        if (Float.isNaN(value) || Float.isInfinite(value)) {
            throw new Mismatch("NaN and infinity have no form in JSON");
        }
        begin();
        ascii(Float.toString(value));
    }

    @Override
    public void text(String value) throws Mismatch {
        begin();
        quoted(value);
    }

    private void quoted(String value) throws Mismatch {
        int length = value.length();
        // A character takes at most six bytes: \\u001f.
        sink.room(Math.multiplyExact(length, 3) + 2);
        sink.data[sink.size++] = '"';
        int at = sink.size;
        byte[] to = sink.data;
        int index = 0;
        for (; index < length; index++) {
            char unit = value.charAt(index);
            if (unit < ' ' || unit >= 0x80 || unit == '"' || unit == '\\') {
                break;
            }
            to[at++] = (byte) unit;
        }
        sink.size = at;
        if (index < length) {
            rest(value, index);
        }
        sink.put('"');
    }

    private void rest(String value, int from) throws Mismatch {
        int start = from;
        for (int index = from; index < value.length(); index++) {
            char unit = value.charAt(index);
            if (unit >= ' ' && unit != '"' && unit != '\\') {
                continue;
            }
            run(value, start, index);
            start = index + 1;
            int known = "\"\\\b\f\n\r\t".indexOf(unit);
            if (known >= 0) {
                sink.put('\\');
                sink.put("\"\\bfnrt".charAt(known));
            } else {
                ascii("\\u00");
                sink.put("0123456789abcdef".charAt(unit >> 4));
                sink.put("0123456789abcdef".charAt(unit & 15));
            }
        }
        run(value, start, value.length());
    }

    private void run(String value, int from, int to) throws Mismatch {
        if (from < to) {
            sink.room(Math.multiplyExact(to - from, 3));
            utf8(from == 0 && to == value.length() ? value : value.substring(from, to));
        }
    }

    @Override
    public void bytes(byte[] value, int from, int size) {
        begin();
        sink.put('"');
        byte[] part = from == 0 && size == value.length ? value : java.util.Arrays.copyOfRange(value, from, from + size);
        sink.put(Base64.getEncoder().encode(part));
        sink.put('"');
    }

    @Override
    public void beginArray(int size) throws Mismatch {
        deeper();
        begin();
        sink.put('[');
        comma = false;
    }

    @Override
    public void endArray() {
        depth--;
        sink.put(']');
        comma = true;
    }

    @Override
    public void beginObject(int size) throws Mismatch {
        deeper();
        begin();
        sink.put('{');
        comma = false;
    }

    @Override
    public void key(String key) throws Mismatch {
        begin();
        quoted(key);
        sink.put(':');
        comma = false;
    }

    @Override
    public void key(Keys keys, int place) {
        begin();
        sink.put(keys.quoted[place]);
        comma = false;
    }

    @Override
    public void endObject() {
        depth--;
        sink.put('}');
        comma = true;
    }
}
