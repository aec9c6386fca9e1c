package dev.dragoman.internal.value;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.UUID;

/** A map whose keys are text, or are written as text. */
final class MapShape extends Shape {
    private final Shape keys;
    private final Shape values;

    MapShape(Shape keys, Shape values) {
        this.keys = keys;
        this.values = values;
    }

    /** A key as text. */
    static String keyOf(Object key) throws Mismatch {
        if (key instanceof String || key instanceof UUID) {
            return key.toString();
        }
        if (key instanceof Enum) {
            return ((EnumShape) Shapes.of(((Enum<?>) key).getDeclaringClass())).nameOf(key);
        }
        throw unexpected(key, "the key of an object");
    }

    private Object key(String text) throws Mismatch {
        if (keys instanceof EnumShape) {
            return ((EnumShape) keys).find(text);
        }
        return keys instanceof Scalars.Written ? ((Scalars.Written) keys).parse(text) : text;
    }

    @Override
    public Object read(Reader reader) throws Mismatch {
        Map<Object, Object> map = new LinkedHashMap<>();
        reader.beginObject();
        for (String key = reader.nextKey(); key != null; key = reader.nextKey()) {
            try {
                map.put(key(key), values.read(reader));
            } catch (Mismatch error) {
                throw error.in(key);
            }
        }
        return map;
    }

    @Override
    public void write(Object value, Writer writer) throws Mismatch {
        if (!(value instanceof Map)) {
            throw unexpected(value, "an object");
        }
        Map<?, ?> map = (Map<?, ?>) value;
        writer.beginObject(map.size());
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            String key = keyOf(entry.getKey());
            writer.key(key);
            try {
                values.write(entry.getValue(), writer);
            } catch (Mismatch error) {
                throw error.in(key);
            }
        }
        writer.endObject();
    }

    @Override
    public Map<String, Object> schema(Definitions definitions) {
        Map<String, Object> schema = Definitions.map("type", "object");
        if (keys instanceof EnumShape) {
            schema.put("propertyNames", keys.schema(definitions));
        } else if (keys instanceof Scalars.Written) {
            schema.put("propertyNames", keys.schema(definitions));
        }
        if (values != AnyShape.ANY) {
            schema.put("additionalProperties", values.schema(definitions));
        }
        return schema;
    }
}
