package dev.dragoman.internal.value;

import dev.dragoman.Name;
import dev.dragoman.Tag;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A sealed interface over records: objects whose tag is a property. */
final class UnionShape extends Shape {
    private final Class<?> type;
    private final String tag;
    private final Map<String, RecordShape> byTag = new LinkedHashMap<>();
    private final Map<Class<?>, RecordShape> byClass = new HashMap<>();

    UnionShape(Class<?> type) {
        this.type = type;
        Tag given = type.getAnnotation(Tag.class);
        tag = given == null ? "type" : given.value();
    }

    void link(Shapes shapes) {
        add(type, shapes);
    }

    private void add(Class<?> sealed, Shapes shapes) {
        for (Class<?> each : sealed.getPermittedSubclasses()) {
            if (each.isSealed()) {
                add(each, shapes);
            } else if (!each.isRecord()) {
                throw new IllegalArgumentException(
                        type.getName() + ": the variant " + each.getName() + " must be a record");
            } else {
                Name name = each.getAnnotation(Name.class);
                String value = name == null ? each.getSimpleName() : name.value();
                RecordShape variant = ((RecordShape) shapes.shape(each)).tagged(tag, value);
                if (byTag.put(value, variant) != null) {
                    throw new IllegalArgumentException(type.getName() + " has two variants of the name " + value);
                }
                byClass.put(each, variant);
            }
        }
    }

    @Override
    public Object read(Reader reader) throws Mismatch {
        long start = reader.mark();
        String found = null;
        reader.beginObject();
        for (String key = reader.nextKey(); key != null; key = reader.nextKey()) {
            if (key.equals(tag)) {
                if (reader.peek() != Reader.TEXT) {
                    throw new Mismatch("must be text that tells the variant").in(tag);
                }
                found = reader.readText();
            } else {
                reader.skip();
            }
        }
        if (found == null) {
            throw new Mismatch("is missing").in(tag);
        }
        RecordShape variant = byTag.get(found);
        if (variant == null) {
            throw new Mismatch("must be one of " + String.join(", ", byTag.keySet())).in(tag);
        }
        reader.reset(start);
        return variant.read(reader);
    }

    @Override
    public void write(Object value, Writer writer) throws Mismatch {
        RecordShape variant = value == null ? null : byClass.get(value.getClass());
        if (variant == null) {
            throw unexpected(value, "a " + type.getSimpleName());
        }
        variant.write(value, writer);
    }

    @Override
    public Map<String, Object> schema(Definitions definitions) {
        return definitions.refer(this, type.getSimpleName(), () -> {
            List<Object> variants = new ArrayList<>();
            for (RecordShape variant : byTag.values()) {
                variants.add(variant.schema(definitions));
            }
            return Definitions.map("anyOf", variants);
        });
    }
}
