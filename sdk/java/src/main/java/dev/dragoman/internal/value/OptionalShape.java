package dev.dragoman.internal.value;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;

/** An `Optional`: as a record's property it may be absent, elsewhere it may be null. */
final class OptionalShape extends Shape {
    private final Shape inner;
    private final Class<?> type;
    /** Whether null is read and written as a Java null, apart from absence. */
    private final boolean property;

    OptionalShape(Class<?> type, Shape inner, boolean property) {
        this.type = type;
        this.inner = inner;
        this.property = property;
    }

    OptionalShape asProperty() {
        return new OptionalShape(type, inner, true);
    }

    @Override
    boolean isOptional() {
        return property;
    }

    @Override
    boolean isAbsent(Object value) {
        return property && value != null && value.equals(absent());
    }

    @Override
    boolean takesNull() {
        return !property;
    }

    @Override
    Object absent() {
        if (type == OptionalLong.class) {
            return OptionalLong.empty();
        }
        if (type == OptionalInt.class) {
            return OptionalInt.empty();
        }
        return type == OptionalDouble.class ? OptionalDouble.empty() : Optional.empty();
    }

    @Override
    public Object read(Reader reader) throws Mismatch {
        if (!property && reader.peek() == Reader.NULL) {
            reader.readNull();
            return absent();
        }
        Object value = inner.read(reader);
        if (type == OptionalLong.class) {
            return OptionalLong.of((Long) value);
        }
        if (type == OptionalInt.class) {
            return OptionalInt.of((Integer) value);
        }
        return type == OptionalDouble.class ? OptionalDouble.of((Double) value) : Optional.ofNullable(value);
    }

    @Override
    public void write(Object value, Writer writer) throws Mismatch {
        if (value == null) {
            throw unexpected(null, "an optional value: return Optional.empty()");
        }
        if (value.equals(absent())) {
            writer.nothing();
        } else if (value instanceof Optional) {
            inner.write(((Optional<?>) value).get(), writer);
        } else if (value instanceof OptionalLong) {
            inner.write(((OptionalLong) value).getAsLong(), writer);
        } else if (value instanceof OptionalInt) {
            inner.write(((OptionalInt) value).getAsInt(), writer);
        } else {
            inner.write(((OptionalDouble) value).getAsDouble(), writer);
        }
    }

    @Override
    public Map<String, Object> schema(Definitions definitions) {
        Map<String, Object> schema = inner.schema(definitions);
        return property ? schema : nullable(schema);
    }

    static Map<String, Object> nullable(Map<String, Object> schema) {
        return Definitions.map("anyOf", List.of(schema, Definitions.map("type", "null")));
    }
}
