package dev.dragoman.internal.value;

import dev.dragoman.Name;
import dev.dragoman.Nullable;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A record: an object with one property for each component. */
public final class RecordShape extends Shape {
    private static final Object MISSING = new Object();

    private final Class<?> type;
    private final boolean strict;
    private Keys keys;
    private String[] names;
    private Shape[] shapes;
    private Method[] accessors;
    private Constructor<?> constructor;
    private int stream = -1;
    private Class<?> streamType;
    private String tag;
    private String tagValue;

    /** `strict` refuses properties that the record does not have. */
    RecordShape(Class<?> type, boolean strict) {
        this.type = type;
        this.strict = strict;
    }

    /** Looks at the components; a record may contain itself, so this comes after its shape is known. */
    void link(Shapes shapesOf, boolean input) {
        RecordComponent[] components = type.getRecordComponents();
        Class<?>[] parameters = new Class<?>[components.length];
        names = new String[components.length];
        shapes = new Shape[components.length];
        accessors = new Method[components.length];
        for (int at = 0; at < components.length; at++) {
            RecordComponent component = components[at];
            parameters[at] = component.getType();
            Name name = component.getAnnotation(Name.class);
            names[at] = name == null ? component.getName() : name.value();
            accessors[at] = component.getAccessor();
            accessors[at].setAccessible(true);
            try {
                shapes[at] = shapeOf(shapesOf, component, input, at);
            } catch (IllegalArgumentException error) {
                throw new IllegalArgumentException(
                        type.getSimpleName() + "." + component.getName() + ": " + error.getMessage());
            }
        }
        if (new java.util.HashSet<>(List.of(names)).size() < names.length) {
            throw new IllegalArgumentException(type.getName() + " has two components of one name");
        }
        keys = new Keys(List.of(names));
        try {
            constructor = type.getDeclaredConstructor(parameters);
            constructor.setAccessible(true);
        } catch (NoSuchMethodException error) {
            throw new IllegalStateException(error);
        }
    }

    private Shape shapeOf(Shapes shapesOf, RecordComponent component, boolean input, int at) {
        Type generic = shapesOf.resolve(component.getGenericType());
        Class<?> raw = Shapes.rawOf(generic);
        if (Shapes.isStream(raw)) {
            if (!input) {
                throw new IllegalArgumentException("only a component of a function's input itself can be a stream");
            }
            if (stream >= 0) {
                throw new IllegalArgumentException("an input has one stream at most");
            }
            stream = at;
            streamType = raw;
            return new ListShape(shapesOf.shape(Shapes.argument(generic, 0)), false, null);
        }
        Shape shape = shapesOf.shape(generic);
        if (shape instanceof OptionalShape) {
            shape = ((OptionalShape) shape).asProperty();
        }
        if (component.getAnnotation(Nullable.class) == null) {
            return shape;
        }
        if (raw.isPrimitive()) {
            throw new IllegalArgumentException("a " + raw + " cannot be null: declare its box");
        }
        return new NullableShape(shape);
    }

    RecordShape tagged(String property, String value) {
        for (String name : names) {
            if (name.equals(property)) {
                throw new IllegalArgumentException(
                        type.getName() + " has a component `" + property + "`, which is the tag of its interface");
            }
        }
        RecordShape copy = new RecordShape(type, strict);
        copy.keys = keys;
        copy.names = names;
        copy.shapes = shapes;
        copy.accessors = accessors;
        copy.constructor = constructor;
        copy.tag = property;
        copy.tagValue = value;
        return copy;
    }

    Class<?> type() {
        return type;
    }

    /** The property that may come as a stream; empty for none. */
    public String streamName() {
        return stream < 0 ? "" : names[stream];
    }

    /** The type of the only component if that is bytes: then the whole body may be those bytes. Else null. */
    public Class<?> onlyBytes() {
        if (accessors.length != 1) {
            return null;
        }
        Class<?> only = accessors[0].getReturnType();
        return only == byte[].class || only == java.nio.ByteBuffer.class ? only : null;
    }

    /** A record of one component. */
    public Object of(Object value) throws Mismatch {
        return make(new Object[] {value});
    }

    /** The shape of the stream's items. */
    public Shape streamItems() {
        return ((ListShape) shapes[stream]).items();
    }

    public Class<?> streamType() {
        return streamType;
    }

    @Override
    public Object read(Reader reader) throws Mismatch {
        return read(reader, null);
    }

    /** Reads a record whose stream is given, or comes as an array if it is null. */
    public Object read(Reader reader, Object given) throws Mismatch {
        Object[] values = new Object[names.length];
        java.util.Arrays.fill(values, MISSING);
        reader.beginObject();
        int place = reader.nextKey(keys, 0);
        while (place != -1) {
            if (place >= 0) {
                if (place == stream && given != null) {
                    throw new Mismatch("comes as a stream, and must not be in the body too").in(names[place]);
                }
                try {
                    values[place] = shapes[place].read(reader);
                } catch (Mismatch error) {
                    throw error.in(names[place]);
                }
            } else if (strict) {
                throw new Mismatch("is not known here").in(reader.lastKey());
            } else {
                reader.skip();
            }
            place = reader.nextKey(keys, place < 0 ? keys.size() : place + 1);
        }
        if (stream >= 0) {
            values[stream] = given != null ? given : streamOf(values[stream]);
        }
        for (int at = 0; at < values.length; at++) {
            if (values[at] == MISSING) {
                if (!shapes[at].isOptional()) {
                    throw new Mismatch("is missing").in(names[at]);
                }
                values[at] = shapes[at].absent();
            }
        }
        return make(values);
    }

    private Object streamOf(Object list) throws Mismatch {
        if (list == MISSING) {
            return MISSING;
        }
        return Shapes.streamOf(((List<?>) list).iterator(), streamType);
    }

    private Object make(Object[] values) throws Mismatch {
        try {
            return constructor.newInstance(values);
        } catch (InvocationTargetException error) {
            Throwable cause = error.getCause();
            if (cause instanceof Error) {
                throw (Error) cause;
            }
            if (cause instanceof dev.dragoman.Fault) {
                throw (dev.dragoman.Fault) cause;
            }
            String message = cause.getMessage();
            throw new Mismatch(message == null ? cause.getClass().getSimpleName() : message);
        } catch (ReflectiveOperationException error) {
            throw new IllegalStateException(error);
        }
    }

    private Object component(Object record, int at) throws Mismatch {
        try {
            return accessors[at].invoke(record);
        } catch (InvocationTargetException error) {
            throw new Mismatch("cannot be read: " + error.getCause()).in(names[at]);
        } catch (IllegalAccessException error) {
            throw new IllegalStateException(error);
        }
    }

    /** The stream of an input that is to be sent; null for none. */
    public Object streamOfInput(Object record) throws Mismatch {
        return stream < 0 ? null : component(record, stream);
    }

    @Override
    public void write(Object value, Writer writer) throws Mismatch {
        if (!type.isInstance(value)) {
            throw unexpected(value, "a " + type.getSimpleName());
        }
        int count = names.length;
        Object[] values = new Object[count];
        int present = tag == null ? 0 : 1;
        for (int at = 0; at < count; at++) {
            if (at == stream) {
                values[at] = MISSING;
                continue;
            }
            Object each = component(value, at);
            values[at] = shapes[at].isAbsent(each) ? MISSING : each;
            present += values[at] == MISSING ? 0 : 1;
        }
        writer.beginObject(present);
        if (tag != null) {
            writer.key(tag);
            writer.text(tagValue);
        }
        for (int at = 0; at < count; at++) {
            if (values[at] == MISSING) {
                continue;
            }
            if (values[at] == null && !shapes[at].takesNull()) {
                throw new Mismatch("is null: declare it @Nullable, or an Optional").in(names[at]);
            }
            writer.key(keys, at);
            try {
                shapes[at].write(values[at], writer);
            } catch (Mismatch error) {
                throw error.in(names[at]);
            }
        }
        writer.endObject();
    }

    Map<String, Object> whole(Definitions definitions) {
        Map<String, Object> properties = new LinkedHashMap<>();
        List<String> required = new ArrayList<>();
        if (tag != null) {
            properties.put(tag, Definitions.map("const", tagValue));
            required.add(tag);
        }
        for (int at = 0; at < names.length; at++) {
            properties.put(names[at], shapes[at].schema(definitions));
            if (!shapes[at].isOptional()) {
                required.add(names[at]);
            }
        }
        Map<String, Object> schema = Definitions.map("type", "object", "properties", properties);
        if (!required.isEmpty()) {
            schema.put("required", required);
        }
        if (strict) {
            schema.put("additionalProperties", false);
        }
        return schema;
    }

    @Override
    public Map<String, Object> schema(Definitions definitions) {
        return definitions.refer(this, type.getSimpleName(), () -> whole(definitions));
    }
}
