package dev.dragoman.internal.value;

import java.lang.reflect.Array;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Lists, sets and arrays. */
final class ListShape extends Shape {
    private final Shape items;
    private final boolean unique;
    /** Of an array, the class of its items. */
    private final Class<?> component;

    ListShape(Shape items, boolean unique, Class<?> component) {
        this.items = items;
        this.unique = unique;
        this.component = component;
    }

    Shape items() {
        return items;
    }

    @Override
    public Object read(Reader reader) throws Mismatch {
        reader.beginArray();
        if (component == double.class) {
            return doubles(reader);
        }
        List<Object> list = new ArrayList<>();
        int index = 0;
        while (reader.nextItem()) {
            try {
                list.add(items.read(reader));
            } catch (Mismatch error) {
                throw error.in(index);
            }
            index++;
        }
        if (unique) {
            Set<Object> set = new LinkedHashSet<>(list);
            if (set.size() < list.size()) {
                throw new Mismatch("must not hold a value twice");
            }
            return set;
        }
        if (component == null) {
            return list;
        }
        Object array = Array.newInstance(component, list.size());
        for (int at = 0; at < list.size(); at++) {
            Array.set(array, at, list.get(at));
        }
        return array;
    }

    /** Without a box for each: arrays of doubles are the large ones. */
    private static double[] doubles(Reader reader) throws Mismatch {
        double[] values = new double[16];
        int count = 0;
        while (reader.nextItem()) {
            if (count == values.length) {
                values = java.util.Arrays.copyOf(values, count * 2);
            }
            try {
                values[count] = reader.readDouble();
            } catch (Mismatch error) {
                throw error.in(count);
            }
            count++;
        }
        return java.util.Arrays.copyOf(values, count);
    }

    @Override
    public void write(Object value, Writer writer) throws Mismatch {
        if (component != null && value != null) {
            writeArray(value, writer);
            return;
        }
        if (!(value instanceof Collection)) {
            throw unexpected(value, "an array");
        }
        Collection<?> list = (Collection<?>) value;
        int size = list.size();
        writer.beginArray(size);
        int index = 0;
        for (Iterator<?> each = list.iterator(); each.hasNext(); index++) {
            try {
                items.write(each.next(), writer);
            } catch (Mismatch error) {
                throw error.in(index);
            }
        }
        if (index != size) {
            throw new Mismatch("a collection that changed while it was written");
        }
        writer.endArray();
    }

    private void writeArray(Object array, Writer writer) throws Mismatch {
        int size = Array.getLength(array);
        writer.beginArray(size);
        if (array instanceof double[]) {
            double[] values = (double[]) array;
            for (int at = 0; at < size; at++) {
                try {
                    writer.number(values[at]);
                } catch (Mismatch error) {
                    throw error.in(at);
                }
            }
        } else {
            for (int at = 0; at < size; at++) {
                try {
                    items.write(Array.get(array, at), writer);
                } catch (Mismatch error) {
                    throw error.in(at);
                }
            }
        }
        writer.endArray();
    }

    @Override
    public Map<String, Object> schema(Definitions definitions) {
        Map<String, Object> schema = Definitions.map("type", "array", "items", items.schema(definitions));
        if (unique) {
            schema.put("uniqueItems", true);
        }
        return schema;
    }
}
