package dev.dragoman.internal.value;

import java.util.Map;

/** A record's component that may be null. */
final class NullableShape extends Shape {
    private final Shape inner;

    NullableShape(Shape inner) {
        this.inner = inner;
    }

    @Override
    boolean isOptional() {
        return inner.isOptional();
    }

    @Override
    Object absent() {
        return inner.absent();
    }

    @Override
    boolean isAbsent(Object value) {
        return inner.isAbsent(value);
    }

    @Override
    boolean takesNull() {
        return true;
    }

    @Override
    public Object read(Reader reader) throws Mismatch {
        if (reader.peek() == Reader.NULL) {
            reader.readNull();
            return null;
        }
        return inner.read(reader);
    }

    @Override
    public void write(Object value, Writer writer) throws Mismatch {
        if (value == null) {
            writer.nothing();
        } else {
            inner.write(value, writer);
        }
    }

    @Override
    public Map<String, Object> schema(Definitions definitions) {
        return OptionalShape.nullable(inner.schema(definitions));
    }
}
