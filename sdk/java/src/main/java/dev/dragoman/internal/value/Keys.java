package dev.dragoman.internal.value;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The names of a record's properties, found by their bytes. */
public final class Keys {
    final byte[][] bytes;
    /** As they stand in JSON, with quotes and colon. */
    final byte[][] quoted;

    private final Map<String, Integer> places = new HashMap<>();

    public Keys(List<String> names) {
        bytes = new byte[names.size()][];
        quoted = new byte[names.size()][];
        for (int at = 0; at < bytes.length; at++) {
            bytes[at] = names.get(at).getBytes(StandardCharsets.UTF_8);
            places.put(names.get(at), at);
            JsonWriter writer = new JsonWriter();
            try {
                writer.text(names.get(at));
            } catch (Mismatch error) {
                throw new IllegalArgumentException(error.getMessage());
            }
            writer.sink.put(':');
            quoted[at] = writer.sink.take();
        }
    }

    public int size() {
        return bytes.length;
    }

    int find(String name) {
        Integer place = places.get(name);
        return place == null ? -2 : place;
    }

    /** Whether the bytes from `at` are the name at `place`, followed by `after` (-1: anything). */
    boolean matches(int place, byte[] data, int at, int end, int after) {
        byte[] name = bytes[place];
        int stop = at + name.length;
        if (stop + (after < 0 ? 0 : 1) > end || after >= 0 && data[stop] != after) {
            return false;
        }
        return java.util.Arrays.equals(name, 0, name.length, data, at, stop);
    }
}
