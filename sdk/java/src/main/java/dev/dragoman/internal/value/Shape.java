package dev.dragoman.internal.value;

import java.util.Map;

/** How values of one Java type are read, written and described. */
public abstract class Shape {
    public abstract Object read(Reader reader) throws Mismatch;

    public abstract void write(Object value, Writer writer) throws Mismatch;

    /** The JSON Schema. */
    public abstract Map<String, Object> schema(Definitions definitions);

    /** Whether a record's property of this shape may be absent. */
    boolean isOptional() {
        return false;
    }

    /** What stands for an absent property. */
    Object absent() {
        return null;
    }

    /** Whether this value is written as no property at all. */
    boolean isAbsent(Object value) {
        return false;
    }

    /** Whether a null is a value of this shape. */
    boolean takesNull() {
        return false;
    }

    static Mismatch unexpected(Object value, String wanted) {
        String actual = value == null ? "null" : "a " + value.getClass().getName();
        return new Mismatch(actual + " cannot be written as " + wanted);
    }
}
