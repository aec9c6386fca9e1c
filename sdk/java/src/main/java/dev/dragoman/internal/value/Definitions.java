package dev.dragoman.internal.value;

import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;

/** The named parts of one schema: `$defs`. */
public final class Definitions {
    private final Map<Object, String> names = new IdentityHashMap<>();
    private final Map<String, Object> schemas = new LinkedHashMap<>();

    /** A reference to the schema of `owner`, which is made once. */
    Map<String, Object> refer(Object owner, String wanted, Supplier<Map<String, Object>> schema) {
        String name = names.get(owner);
        if (name == null) {
            name = wanted;
            for (int number = 2; schemas.containsKey(name); number++) {
                name = wanted + number;
            }
            names.put(owner, name);
            schemas.put(name, Map.of());
            schemas.put(name, schema.get());
        }
        return map("$ref", "#/$defs/" + name);
    }

    /** A whole schema: with the definitions that it refers to. */
    public static Map<String, Object> of(Shape shape) {
        Definitions definitions = new Definitions();
        Map<String, Object> schema = new LinkedHashMap<>(
                shape instanceof RecordShape ? ((RecordShape) shape).whole(definitions) : shape.schema(definitions));
        if (!definitions.schemas.isEmpty()) {
            schema.put("$defs", definitions.schemas);
        }
        return schema;
    }

    static Map<String, Object> map(Object... pairs) {
        Map<String, Object> map = new LinkedHashMap<>();
        for (int at = 0; at < pairs.length; at += 2) {
            map.put((String) pairs[at], pairs[at + 1]);
        }
        return map;
    }
}
