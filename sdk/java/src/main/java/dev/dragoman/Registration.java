package dev.dragoman;

import dev.dragoman.internal.value.Definitions;
import dev.dragoman.internal.value.RecordShape;
import dev.dragoman.internal.value.Shape;
import dev.dragoman.internal.value.Shapes;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A function that a program offers; what else may be said of it. */
public final class Registration {
    private static final int NAME_CHARS_MAX = 128;

    final String name;
    final boolean streaming;
    final Dragoman.Unary<Object, Object> body;
    /** Why it cannot be offered; null if it can. */
    final String problem;

    Shape input;
    Shape output;
    /** Bytes as the whole input, a record of one component of bytes, or neither (null). */
    Class<?> rawInput;

    boolean wholeInputIsBytes;
    Class<?> rawOutput;
    /** A moving average of how long it runs, in nanoseconds; written by whoever ran it last. */
    volatile long average;

    private String version = "";
    private String description = "";
    private boolean idempotent;

    @SuppressWarnings("unchecked")
    Registration(String name, Type input, Type output, boolean streaming, Dragoman.Unary<?, ?> body) {
        this.name = name;
        this.streaming = streaming;
        this.body = (Dragoman.Unary<Object, Object>) body;
        String found = null;
        if (!isName(name)) {
            found = "the name of a function has letters, digits, _ and -, not: " + name;
        } else {
            try {
                link(input, output);
            } catch (IllegalArgumentException error) {
                found = "the function " + name + " cannot be offered: " + error.getMessage();
            }
        }
        problem = found;
    }

    /** By hand: a regular expression takes 5 ms of a start. */
    private static boolean isName(String name) {
        for (int at = 0; at < name.length(); at++) {
            char next = name.charAt(at);
            boolean later = at > 0 && (Character.isDigit(next) || next == '-');
            if (!Character.isLetter(next) && next != '_' && !later) {
                return false;
            }
        }
        return !name.isEmpty() && name.length() <= NAME_CHARS_MAX;
    }

    private static boolean isBytes(Type type) {
        return type == byte[].class || type == ByteBuffer.class;
    }

    private void link(Type in, Type out) {
        if (isBytes(in)) {
            rawInput = (Class<?>) in;
            wholeInputIsBytes = true;
        } else if (in != Void.class) {
            Class<?> raw = in instanceof ParameterizedType ? (Class<?>) ((ParameterizedType) in).getRawType() : (Class<?>) in;
            boolean object = raw.isRecord() || raw == Map.class || raw == Object.class || raw.isSealed();
            if (!object) {
                throw new IllegalArgumentException("its input must be a record, a map, bytes or Void, not " + in.getTypeName());
            }
            input = Shapes.ofInput(in);
            if (input instanceof RecordShape) {
                rawInput = ((RecordShape) input).onlyBytes();
            }
        }
        if (isBytes(out) && !streaming) {
            rawOutput = (Class<?>) out;
        }
        output = Shapes.of(out);
    }

    /** The version of the function's contract. */
    public Registration version(String given) {
        version = given;
        return this;
    }

    /** What the function does, for people. */
    public Registration description(String given) {
        description = given;
        return this;
    }

    /** Says that calling it twice does no more than calling it once. */
    public Registration idempotent() {
        idempotent = true;
        return this;
    }

    String streamName() {
        return input instanceof RecordShape ? ((RecordShape) input).streamName() : "";
    }

    Map<String, Object> manifest() {
        Map<String, Object> entry = new LinkedHashMap<>();
        entry.put("name", name);
        entry.put("version", version);
        entry.put("description", description);
        entry.put("input", inputSchema());
        entry.put("output", Definitions.of(output));
        entry.put("streaming", streaming);
        entry.put("input_stream", streamName());
        entry.put("idempotent", idempotent);
        entry.put("raw_input", rawInput != null);
        entry.put("raw_output", rawOutput != null);
        return entry;
    }

    private Map<String, Object> inputSchema() {
        Map<String, Object> schema = new LinkedHashMap<>();
        if (input != null) {
            schema = Definitions.of(input);
            schema.putIfAbsent("type", "object");
            return schema;
        }
        schema.put("type", "object");
        if (wholeInputIsBytes) {
            schema.put("properties", Map.of("data", Definitions.of(Shapes.of(rawInput))));
            schema.put("required", List.of("data"));
        } else {
            schema.put("properties", Map.of());
        }
        schema.put("additionalProperties", false);
        return schema;
    }
}
