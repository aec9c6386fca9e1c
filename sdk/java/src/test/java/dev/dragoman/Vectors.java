package dev.dragoman;

import dev.dragoman.internal.value.Json;
import dev.dragoman.internal.wire.Frame;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** The data of `proto/vectors`. */
final class Vectors {
    static final Path ROOT = Path.of(System.getProperty("vectors", "../../proto/vectors"));

    private Vectors() {}

    @SuppressWarnings("unchecked")
    static Map<String, Object> load(Path path) throws Exception {
        return (Map<String, Object>) Json.readLeniently(Files.readAllBytes(path));
    }

    @SuppressWarnings("unchecked")
    static List<Map<String, Object>> cases(String name) throws Exception {
        List<Map<String, Object>> cases =
                (List<Map<String, Object>>) load(ROOT.resolve("frames/" + name + ".json")).get("cases");
        Check.that(!cases.isEmpty(), "no cases in " + name);
        return cases;
    }

    static byte[] hex(Object text) {
        String digits = (String) text;
        byte[] bytes = new byte[digits.length() / 2];
        for (int at = 0; at < bytes.length; at++) {
            bytes[at] = (byte) Integer.parseInt(digits.substring(2 * at, 2 * at + 2), 16);
        }
        return bytes;
    }

    static int kind(String name) {
        for (int kind = Frame.HELLO; kind <= Frame.RELEASE; kind++) {
            if (Frame.nameOf(kind).equals(name)) {
                return kind;
            }
        }
        throw new AssertionError(name);
    }

    private static int flag(Object name) {
        return Map.of("CHECKSUM", 1, "SEGMENT", 2, "STREAM", 4, "UNSTARTED", 8, "INPUT", 16).get(name);
    }

    private static long number(Map<String, Object> fields, String key) {
        return ((Number) fields.getOrDefault(key, 0L)).longValue();
    }

    static long call(Map<String, Object> fields) {
        return Long.parseUnsignedLong((String) fields.getOrDefault("call", "0"), 16);
    }

    static byte[] body(Map<String, Object> fields) {
        return fields.containsKey("body")
                ? ((String) fields.get("body")).getBytes(StandardCharsets.UTF_8)
                : hex(fields.getOrDefault("body_hex", ""));
    }

    /** The frame that a vector's fields describe. */
    static Frame frame(Map<String, Object> fields) {
        int flags = 0;
        for (Object name : (List<?>) fields.getOrDefault("flags", List.of())) {
            flags |= flag(name);
        }
        byte[] body = body(fields);
        long offset = 0;
        long size = 0;
        if ((flags & Frame.SEGMENT) != 0) {
            java.nio.ByteBuffer words = java.nio.ByteBuffer.wrap(body).order(java.nio.ByteOrder.LITTLE_ENDIAN);
            offset = words.getLong();
            size = words.getLong();
            body = Frame.EMPTY;
        }
        return new Frame(
                kind((String) fields.get("kind")),
                flags,
                (int) number(fields, "codec"),
                (int) number(fields, "function"),
                call(fields),
                number(fields, "amount"),
                hex(fields.getOrDefault("meta", "")),
                body,
                offset,
                size);
    }

    static void same(Frame actual, Frame wanted, String about) {
        Check.equal(actual.kind, wanted.kind, about + " kind");
        Check.equal(actual.flags, wanted.flags, about + " flags");
        Check.equal(actual.codec, wanted.codec, about + " codec");
        Check.equal(actual.function, wanted.function, about + " function");
        Check.equal(actual.call, wanted.call, about + " call");
        Check.equal(actual.amount, wanted.amount, about + " amount");
        Check.equal(actual.meta, wanted.meta, about + " meta");
        Check.equal(actual.body, wanted.body, about + " body");
        Check.equal(actual.offset, wanted.offset, about + " offset");
        Check.equal(actual.size, wanted.size, about + " size");
    }
}
