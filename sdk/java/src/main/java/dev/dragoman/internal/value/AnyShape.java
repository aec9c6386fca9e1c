package dev.dragoman.internal.value;

import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Any value: null, Boolean, Long, BigInteger, Double, String, byte[], Instant, List, Map; to write, whatever has a shape. */
public final class AnyShape extends Shape {
    public static final AnyShape ANY = new AnyShape();

    private AnyShape() {}

    @Override
    public Object read(Reader reader) throws Mismatch {
        switch (reader.peek()) {
            case Reader.NULL:
                reader.readNull();
                return null;
            case Reader.BOOLEAN:
                return reader.readBoolean();
            case Reader.INTEGER:
                BigInteger big = null;
                long mark = reader.mark();
                try {
                    return reader.readLong();
                } catch (Mismatch error) {
                    reader.reset(mark);
                    big = reader.readBig();
                }
                return big;
            case Reader.FLOAT:
                return reader.readDouble();
            case Reader.TEXT:
                return reader.readText();
            case Reader.BYTES:
                return reader.readBytes();
            case Reader.MOMENT:
                return reader.readMoment();
            case Reader.ARRAY:
                List<Object> list = new ArrayList<>();
                reader.beginArray();
                while (reader.nextItem()) {
                    list.add(read(reader));
                }
                return list;
            default:
                Map<String, Object> map = new LinkedHashMap<>();
                reader.beginObject();
                for (String key = reader.nextKey(); key != null; key = reader.nextKey()) {
                    map.put(key, read(reader));
                }
                return map;
        }
    }

    @Override
    public void write(Object value, Writer writer) throws Mismatch {
        if (value == null) {
            writer.nothing();
        } else if (value instanceof String) {
            writer.text((String) value);
        } else if (value instanceof Long || value instanceof Integer || value instanceof Short || value instanceof Byte) {
            writer.integer(((Number) value).longValue());
        } else if (value instanceof Boolean) {
            writer.bool((Boolean) value);
        } else if (value instanceof Double) {
            writer.number((double) (Double) value);
        } else if (value instanceof Float) {
            writer.number((float) (Float) value);
        } else if (value instanceof BigInteger) {
            writer.big((BigInteger) value);
        } else if (value instanceof Map) {
            writeMap((Map<?, ?>) value, writer);
        } else if (value instanceof Collection) {
            writeList((Collection<?>) value, writer);
        } else if (value instanceof ByteBuffer) {
            Scalars.BYTE_BUFFER.write(value, writer);
        } else {
            Shape shape = shapeOf(value);
            shape.write(value, writer);
        }
    }

    private static Shape shapeOf(Object value) throws Mismatch {
        if (value.getClass() == Object.class) {
            throw new Mismatch("an Object that is nothing more has no value");
        }
        try {
            return Shapes.of(Shapes.typeOf(value));
        } catch (IllegalArgumentException error) {
            throw new Mismatch(error.getMessage());
        }
    }

    private void writeMap(Map<?, ?> map, Writer writer) throws Mismatch {
        writer.beginObject(map.size());
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            Object key = entry.getKey();
            String name = key instanceof String ? (String) key : MapShape.keyOf(key);
            writer.key(name);
            try {
                write(entry.getValue(), writer);
            } catch (Mismatch error) {
                throw error.in(name);
            }
        }
        writer.endObject();
    }

    private void writeList(Collection<?> list, Writer writer) throws Mismatch {
        writer.beginArray(list.size());
        int index = 0;
        for (Object each : list) {
            try {
                write(each, writer);
            } catch (Mismatch error) {
                throw error.in(index);
            }
            index++;
        }
        writer.endArray();
    }

    @Override
    public Map<String, Object> schema(Definitions definitions) {
        return Map.of();
    }

    @Override
    boolean takesNull() {
        return true;
    }
}
