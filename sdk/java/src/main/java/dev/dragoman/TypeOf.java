package dev.dragoman;

import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;

/** A type that a class alone cannot say: {@code new TypeOf<List<Point>>() {}}. */
public abstract class TypeOf<T> {
    private final Type type;

    protected TypeOf() {
        Type parent = getClass().getGenericSuperclass();
        if (!(parent instanceof ParameterizedType)) {
            throw new IllegalArgumentException("write the type in angle brackets: new TypeOf<List<String>>() {}");
        }
        type = ((ParameterizedType) parent).getActualTypeArguments()[0];
    }

    /** The type itself. */
    public final Type type() {
        return type;
    }
}
