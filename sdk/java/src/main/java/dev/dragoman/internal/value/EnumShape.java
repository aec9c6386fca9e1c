package dev.dragoman.internal.value;

import dev.dragoman.Name;
import java.util.LinkedHashMap;
import java.util.ArrayList;
import java.util.Map;

/** An enum: its constants by name. */
final class EnumShape extends Shape {
    private final Class<?> type;
    private final Map<String, Object> constants = new LinkedHashMap<>();
    private final Map<Object, String> names = new LinkedHashMap<>();

    EnumShape(Class<?> type) {
        this.type = type;
        for (Object constant : type.getEnumConstants()) {
            String name = ((Enum<?>) constant).name();
            try {
                Name given = type.getField(name).getAnnotation(Name.class);
                name = given == null ? name : given.value();
            } catch (NoSuchFieldException error) {
                throw new IllegalStateException(error);
            }
            if (constants.put(name, constant) != null) {
                throw new IllegalArgumentException(type.getName() + " has two constants of the name " + name);
            }
            names.put(constant, name);
        }
    }

    String nameOf(Object constant) {
        return names.get(constant);
    }

    Object find(String name) throws Mismatch {
        Object constant = constants.get(name);
        if (constant == null) {
            throw new Mismatch("must be one of " + String.join(", ", constants.keySet()));
        }
        return constant;
    }

    @Override
    public Object read(Reader reader) throws Mismatch {
        return find(reader.readText());
    }

    @Override
    public void write(Object value, Writer writer) throws Mismatch {
        if (value == null) {
            throw unexpected(null, "a " + type.getSimpleName());
        }
        writer.text(names.get(value));
    }

    @Override
    public Map<String, Object> schema(Definitions definitions) {
        return definitions.refer(
                type,
                type.getSimpleName(),
                () -> Definitions.map("type", "string", "enum", new ArrayList<>(constants.keySet())));
    }
}
