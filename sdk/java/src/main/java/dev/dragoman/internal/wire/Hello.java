package dev.dragoman.internal.wire;

import dev.dragoman.internal.value.Json;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** What a host says first. Known keys are checked strictly, unknown ones ignored. */
public final class Hello {
    public final String host;
    public final String source;
    public final String service;
    public final String callPrefix;
    public final int concurrency;
    public final boolean debug;
    public final int lowest;
    public final int highest;
    public final List<String> features;
    public final long frameBytesMax;
    public final long creditBytes;
    public final int callsMax;
    public final long segmentFromBytes;

    private Hello(Map<String, Object> document) throws ProtocolFault {
        host = text(document, "host", null);
        source = text(document, "source", "");
        service = text(document, "service", "");
        callPrefix = text(document, "call_prefix", "");
        concurrency = (int) Math.min(whole(document, "concurrency", 1, 1), Integer.MAX_VALUE);
        debug = Boolean.TRUE.equals(document.get("debug"));
        features = texts(document, "features");
        Object given = document.getOrDefault("limits", Map.of());
        if (!(given instanceof Map)) {
            throw new ProtocolFault("json", "`limits` must be an object");
        }
        @SuppressWarnings("unchecked")
        Map<String, Object> limits = (Map<String, Object>) given;
        frameBytesMax = Math.min(whole(limits, "frame_bytes_max", 65536, 64L << 20), 0xFFFFFFFFL);
        creditBytes = Math.min(whole(limits, "credit_bytes", 32, 256 * 1024), Live.CREDIT_BYTES_MAX);
        callsMax = (int) Math.min(whole(limits, "calls_max", 1, 4096), Integer.MAX_VALUE);
        segmentFromBytes = whole(limits, "segment_from_bytes", 1, 256 * 1024);
        Object versions = document.get("versions");
        if (!(versions instanceof List) || ((List<?>) versions).size() != 2) {
            throw new ProtocolFault("handshake", "`versions` must be [lowest, highest]");
        }
        lowest = version(((List<?>) versions).get(0));
        highest = version(((List<?>) versions).get(1));
        if (lowest < 1 || lowest > highest) {
            throw new ProtocolFault("handshake", "`versions` " + versions + " is not a range from 1 up");
        }
    }

    public static Hello read(byte[] body) throws ProtocolFault {
        return new Hello(document(body, "HELLO"));
    }

    /** The features of READY, which must choose a version that was offered; a client has no functions. */
    static List<String> readReady(byte[] body, Hello hello, boolean client) throws ProtocolFault {
        Map<String, Object> document = document(body, "READY");
        text(document, "token", "");
        long version = whole(document, "version", 1, -1);
        if (version < hello.lowest || version > hello.highest) {
            throw new ProtocolFault("handshake", "READY chose version " + version);
        }
        text(document, "language", null);
        text(document, "language_version", "");
        text(document, "library", "");
        Object functions = document.getOrDefault("functions", List.of());
        if (!(functions instanceof List)) {
            throw new ProtocolFault("json", "`functions` must be a list");
        }
        for (Object each : (List<?>) functions) {
            if (!(each instanceof Map)) {
                throw new ProtocolFault("json", "each of `functions` must be an object");
            }
        }
        if (client && !((List<?>) functions).isEmpty()) {
            throw new ProtocolFault("handshake", "a client that offers functions");
        }
        return texts(document, "features");
    }

    private static int version(Object value) throws ProtocolFault {
        if (!(value instanceof Long)) {
            throw new ProtocolFault("handshake", "`versions` must be two whole numbers");
        }
        return (int) Math.max(-1, Math.min((Long) value, Integer.MAX_VALUE));
    }

    /** A JSON object. */
    @SuppressWarnings("unchecked")
    static Map<String, Object> document(byte[] body, String what) throws ProtocolFault {
        Object value;
        try {
            value = Json.readLeniently(body);
        } catch (dev.dragoman.internal.value.Mismatch error) {
            throw new ProtocolFault("json", "the body of " + what + " is not JSON: " + error.getMessage());
        }
        if (!(value instanceof Map)) {
            throw new ProtocolFault("json", "the body of " + what + " is not an object");
        }
        return (Map<String, Object>) value;
    }

    static String text(Map<String, Object> document, String key, String otherwise) throws ProtocolFault {
        Object value = document.containsKey(key) ? document.get(key) : otherwise;
        if (!(value instanceof String)) {
            throw new ProtocolFault("json", "`" + key + "` must be a string");
        }
        return (String) value;
    }

    static long whole(Map<String, Object> document, String key, long least, long otherwise) throws ProtocolFault {
        if (!document.containsKey(key) && otherwise >= 0) {
            return otherwise;
        }
        Object value = document.get(key);
        if (value instanceof BigInteger) {
            value = ((BigInteger) value).signum() < 0 ? -1L : Long.MAX_VALUE;
        }
        if (!(value instanceof Long)) {
            throw new ProtocolFault("json", "`" + key + "` must be a whole number");
        }
        if ((Long) value < least) {
            throw new ProtocolFault("handshake", "`" + key + "` is " + value + "; it must be at least " + least);
        }
        return (Long) value;
    }

    private static List<String> texts(Map<String, Object> document, String key) throws ProtocolFault {
        Object value = document.getOrDefault(key, List.of());
        if (!(value instanceof List)) {
            throw new ProtocolFault("json", "`" + key + "` must be a list");
        }
        List<String> texts = new ArrayList<>();
        for (Object each : (List<?>) value) {
            if (!(each instanceof String)) {
                throw new ProtocolFault("json", "`" + key + "` must be a list of strings");
            }
            texts.add((String) each);
        }
        return texts;
    }
}
