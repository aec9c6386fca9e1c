package dev.dragoman.internal.value;

import java.util.Map;

/** JSON documents of plain values: what the wire says about itself, and schemas. */
public final class Json {
    private Json() {}

    /** Reads one value; lone surrogates become U+FFFD. */
    public static Object readLeniently(byte[] body) throws Mismatch {
        return read(new JsonReader(body, 0, body.length, true));
    }

    static Object read(Reader reader) throws Mismatch {
        Object value = AnyShape.ANY.read(reader);
        reader.finish();
        return value;
    }

    /** Writes plain values strictly. */
    public static byte[] encode(Object value) throws Mismatch {
        JsonWriter writer = new JsonWriter();
        AnyShape.ANY.write(value, writer);
        return writer.sink.take();
    }

    /** Writes a document whose texts may hold lone surrogates: they become U+FFFD. */
    public static byte[] write(Map<String, ?> document) {
        try {
            return encode(document);
        } catch (Mismatch error) {
            try {
                return encode(scrub(document));
            } catch (Mismatch still) {
                throw new IllegalArgumentException(still.getMessage());
            }
        }
    }

    private static Object scrub(Object value) {
        if (value instanceof String) {
            String text = (String) value;
            StringBuilder clean = new StringBuilder(text.length());
            text.codePoints()
                    .forEach(point -> clean.appendCodePoint(
                            point >= Character.MIN_SURROGATE && point <= Character.MAX_SURROGATE ? 0xFFFD : point));
            return clean.toString();
        }
        if (value instanceof Map) {
            Map<Object, Object> clean = new java.util.LinkedHashMap<>();
            ((Map<?, ?>) value).forEach((key, each) -> clean.put(scrub(key), scrub(each)));
            return clean;
        }
        if (value instanceof Iterable) {
            java.util.List<Object> clean = new java.util.ArrayList<>();
            ((Iterable<?>) value).forEach(each -> clean.add(scrub(each)));
            return clean;
        }
        return value;
    }
}
