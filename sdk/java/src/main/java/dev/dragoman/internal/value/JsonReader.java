package dev.dragoman.internal.value;

import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Base64;

/** JSON as RFC 8259 has it: UTF-8, one value, no NaN, no lone surrogates. Of a key given twice the last counts. */
public final class JsonReader extends Reader {
    private final boolean lenient;
    private String lastKey;
    /** Where the number that `scan` looked at ends, and whether it has a fraction or an exponent. */
    private int numberEnd;

    private boolean fraction;

    public JsonReader(byte[] data, int from, int size) {
        this(data, from, size, false);
    }

    /** `lenient` reads lone surrogates as U+FFFD. */
    public JsonReader(byte[] data, int from, int size, boolean lenient) {
        super(data, from, size);
        this.lenient = lenient;
    }

    private Mismatch malformed(String what) {
        return new Mismatch("not valid JSON: " + what + " at byte " + at);
    }

    private int space() throws Mismatch {
        while (at < end) {
            byte next = data[at];
            if (next != ' ' && next != '\n' && next != '\r' && next != '\t') {
                return next;
            }
            at++;
        }
        throw malformed("it ends too early");
    }

    @Override
    public int peek() throws Mismatch {
        switch (space()) {
            case '"':
                return TEXT;
            case '{':
                return OBJECT;
            case '[':
                return ARRAY;
            case 't':
            case 'f':
                return BOOLEAN;
            case 'n':
                return NULL;
            default:
                scan();
                return fraction ? FLOAT : INTEGER;
        }
    }

    private void word(String word) throws Mismatch {
        int stop = at + word.length();
        if (stop > end) {
            throw malformed("it ends too early");
        }
        for (int index = 0; index < word.length(); index++) {
            if (data[at + index] != word.charAt(index)) {
                throw malformed("an unknown word");
            }
        }
        at = stop;
    }

    @Override
    public void readNull() throws Mismatch {
        if (space() != 'n') {
            throw unlike("null");
        }
        word("null");
    }

    @Override
    public boolean readBoolean() throws Mismatch {
        int next = space();
        if (next == 't') {
            word("true");
            return true;
        }
        if (next != 'f') {
            throw unlike("a boolean");
        }
        word("false");
        return false;
    }

    private boolean isDigit(int place) {
        return place < end && data[place] >= '0' && data[place] <= '9';
    }

    private int digits(int from) throws Mismatch {
        if (!isDigit(from)) {
            throw malformed("an unexpected character");
        }
        int place = from;
        while (isDigit(place)) {
            place++;
        }
        return place;
    }

    private void scan() throws Mismatch {
        int place = at;
        if (place < end && data[place] == '-') {
            place++;
        }
        if (place < end && data[place] == '0') {
            place++;
            if (isDigit(place)) {
                throw malformed("a number with a leading zero");
            }
        } else {
            place = digits(place);
        }
        fraction = false;
        if (place < end && data[place] == '.') {
            fraction = true;
            place = digits(place + 1);
        }
        if (place < end && (data[place] == 'e' || data[place] == 'E')) {
            fraction = true;
            place++;
            if (place < end && (data[place] == '+' || data[place] == '-')) {
                place++;
            }
            place = digits(place);
        }
        numberEnd = place;
    }

    private String number() {
        String text = new String(data, at, numberEnd - at, StandardCharsets.ISO_8859_1);
        at = numberEnd;
        return text;
    }

    @Override
    public long readLong() throws Mismatch {
        space();
        if (peek() != INTEGER) {
            throw unlike("an integer");
        }
        int length = numberEnd - at;
        if (length > 18) {
            BigInteger big = readBig();
            if (big.bitLength() > 63) {
                throw new Mismatch("an integer that does not fit 64 bits");
            }
            return big.longValue();
        }
        boolean negative = data[at] == '-';
        long value = 0;
        for (int place = negative ? at + 1 : at; place < numberEnd; place++) {
            value = value * 10 + data[place] - '0';
        }
        at = numberEnd;
        return negative ? -value : value;
    }

    @Override
    public BigInteger readBig() throws Mismatch {
        if (peek() != INTEGER) {
            throw unlike("an integer");
        }
        if (numberEnd - at > Numbers.DIGITS_MAX) {
            throw new Mismatch("an integer of more than " + Numbers.DIGITS_MAX + " digits");
        }
        return new BigInteger(number());
    }

    @Override
    public double readDouble() throws Mismatch {
        int kind = peek();
        if (kind != INTEGER && kind != FLOAT) {
            throw unlike("a number");
        }
        if (kind == INTEGER && numberEnd - at > 15) {
            return exact(readBig());
        }
        double value = Double.parseDouble(number());
        if (Double.isInfinite(value)) {
            throw new Mismatch("a number past every number of 64 bits");
        }
        return value;
    }

    @Override
    public float readFloat() throws Mismatch {
        int kind = peek();
        if (kind != INTEGER && kind != FLOAT) {
            throw unlike("a number");
        }
        if (kind == INTEGER) {
            return Numbers.exactFloat(readDouble());
        }
        float value = Float.parseFloat(number());
        if (Float.isInfinite(value)) {
            throw new Mismatch("a number past every number of 32 bits");
        }
        return value;
    }

    @Override
    public String readText() throws Mismatch {
        if (space() != '"') {
            throw unlike("text");
        }
        return string();
    }

    private String string() throws Mismatch {
        int start = at + 1;
        int place = start;
        int seen = 0;
        while (place < end) {
            int next = data[place];
            if (next == '"') {
                at = place + 1;
                return seen >= 0
                        ? new String(data, start, place - start, StandardCharsets.ISO_8859_1)
                        : utf8(data, start, place - start);
            }
            if (next == '\\') {
                return escaped(start, place);
            }
            if (next >= 0 && next < ' ') {
                throw malformed("a control character in text");
            }
            seen |= next;
            place++;
        }
        throw malformed("text without an end");
    }

    static String utf8(byte[] data, int from, int size) throws Mismatch {
        String text = new String(data, from, size, StandardCharsets.UTF_8);
        // The replacement stands for malformed bytes, or for itself.
        if (text.indexOf('\uFFFD') >= 0) {
            try {
                StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(data, from, size));
            } catch (CharacterCodingException error) {
                throw new Mismatch("text that is not UTF-8");
            }
        }
        return text;
    }

    private String escaped(int start, int first) throws Mismatch {
        StringBuilder text = new StringBuilder();
        int from = start;
        int place = first;
        while (place < end) {
            int next = data[place];
            if (next == '"') {
                text.append(utf8(data, from, place - from));
                at = place + 1;
                return whole(text);
            }
            if (next == '\\') {
                text.append(utf8(data, from, place - from));
                place = escape(place + 1, text);
                from = place;
                continue;
            }
            if (next >= 0 && next < ' ') {
                throw malformed("a control character in text");
            }
            place++;
        }
        throw malformed("text without an end");
    }

    private int escape(int place, StringBuilder text) throws Mismatch {
        int next = place < end ? data[place] : 0;
        int index = "\"\\/bfnrt".indexOf(next);
        if (next != 0 && index >= 0) {
            text.append("\"\\/\b\f\n\r\t".charAt(index));
            return place + 1;
        }
        if (next != 'u' || place + 5 > end) {
            throw malformed("an unknown escape");
        }
        int unit = 0;
        for (int at = place + 1; at < place + 5; at++) {
            int digit = data[at] < 0 ? -1 : Character.digit(data[at], 16);
            if (digit < 0) {
                throw malformed("an unknown escape");
            }
            unit = unit * 16 + digit;
        }
        text.append((char) unit);
        return place + 5;
    }

    private String whole(StringBuilder text) throws Mismatch {
        for (int place = 0; place < text.length(); place++) {
            char unit = text.charAt(place);
            if (!Character.isSurrogate(unit)) {
                continue;
            }
            boolean paired = Character.isHighSurrogate(unit)
                    && place + 1 < text.length()
                    && Character.isLowSurrogate(text.charAt(place + 1));
            if (paired) {
                place++;
            } else if (lenient) {
                text.setCharAt(place, '\uFFFD');
            } else {
                throw new Mismatch("text with a lone surrogate");
            }
        }
        return text.toString();
    }

    @Override
    public byte[] readBytes() throws Mismatch {
        if (space() != '"') {
            throw unlike("bytes in base64");
        }
        return base64(string());
    }

    static byte[] base64(String text) throws Mismatch {
        try {
            byte[] bytes = Base64.getDecoder().decode(text);
            if (text.length() % 4 != 0) {
                throw new Mismatch("bytes in base64 without padding");
            }
            return bytes;
        } catch (IllegalArgumentException error) {
            throw new Mismatch("bytes that are not base64");
        }
    }

    @Override
    public Instant readMoment() throws Mismatch {
        throw unlike("a moment");
    }

    @Override
    public void beginArray() throws Mismatch {
        if (space() != '[') {
            throw unlike("an array");
        }
        push(0);
        at++;
    }

    @Override
    public boolean nextItem() throws Mismatch {
        return next(']');
    }

    private boolean next(int close) throws Mismatch {
        int next = space();
        if (next == close) {
            at++;
            depth--;
            return false;
        }
        if (top() == 1) {
            if (next != ',') {
                throw malformed("a missing comma");
            }
            at++;
            if (space() == close) {
                throw malformed("a trailing comma");
            }
        } else {
            top(1);
        }
        return true;
    }

    @Override
    public void beginObject() throws Mismatch {
        if (space() != '{') {
            throw unlike("an object");
        }
        push(0);
        at++;
    }

    private void colon() throws Mismatch {
        if (space() != ':') {
            throw malformed("a missing colon");
        }
        at++;
    }

    @Override
    public String nextKey() throws Mismatch {
        if (!next('}')) {
            return null;
        }
        if (space() != '"') {
            throw malformed("a key that is not text");
        }
        String key = string();
        colon();
        return key;
    }

    @Override
    public int nextKey(Keys keys, int expected) throws Mismatch {
        if (!next('}')) {
            return -1;
        }
        if (space() != '"') {
            throw malformed("a key that is not text");
        }
        int place;
        if (expected < keys.size() && keys.matches(expected, data, at + 1, end, '"')) {
            at += keys.bytes[expected].length + 2;
            place = expected;
        } else {
            lastKey = string();
            place = keys.find(lastKey);
        }
        colon();
        return place;
    }

    @Override
    public String lastKey() {
        return lastKey;
    }

    @Override
    public void finish() throws Mismatch {
        while (at < end) {
            byte next = data[at];
            if (next != ' ' && next != '\n' && next != '\r' && next != '\t') {
                throw malformed("something after the value");
            }
            at++;
        }
    }
}
