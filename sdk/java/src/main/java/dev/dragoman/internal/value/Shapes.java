package dev.dragoman.internal.value;

import java.lang.reflect.GenericArrayType;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.lang.reflect.WildcardType;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Flow;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/** The shapes of Java types, made by reflection. What cannot be part of a contract throws `IllegalArgumentException`. */
public final class Shapes {
    private static final Map<Type, Shape> KNOWN = new ConcurrentHashMap<>();
    private static final Map<Type, Shape> INPUTS = new ConcurrentHashMap<>();

    /** Shapes under way: a type may contain itself. */
    private final Map<Type, Shape> making;

    private final Map<TypeVariable<?>, Type> variables;

    private Shapes(Map<Type, Shape> making, Map<TypeVariable<?>, Type> variables) {
        this.making = making;
        this.variables = variables;
    }

    public static Shape of(Type type) {
        Shape known = KNOWN.get(type);
        if (known == null) {
            Map<Type, Shape> making = new HashMap<>();
            known = new Shapes(making, Map.of()).shape(type);
            KNOWN.putAll(making);
            KNOWN.put(type, known);
        }
        return known;
    }

    /** The shape of a function's whole input: a record may have a stream, and takes no unknown properties. */
    public static Shape ofInput(Type type) {
        Class<?> raw = rawOf(type);
        if (!raw.isRecord()) {
            return of(type);
        }
        Shape known = INPUTS.get(type);
        if (known == null) {
            RecordShape made = new RecordShape(raw, true);
            made.link(new Shapes(new HashMap<>(), bind(type, raw, Map.of())), true);
            INPUTS.put(type, made);
            known = made;
        }
        return known;
    }

    /** The type of a value that nobody has declared: where its class has variables, they stand for anything. */
    public static Type typeOf(Object value) {
        Class<?> type = value instanceof Enum ? ((Enum<?>) value).getDeclaringClass() : value.getClass();
        int count = type.isRecord() ? type.getTypeParameters().length : 0;
        return count == 0 ? type : new Filled(type, Collections.nCopies(count, Object.class));
    }

    static boolean isStream(Class<?> type) {
        return type == Stream.class || type == Flow.Publisher.class || type == Iterator.class;
    }

    /** An iterator as the type that a record declares. */
    public static Object streamOf(Iterator<?> items, Class<?> type) {
        if (type == Iterator.class) {
            return items;
        }
        if (type == Flow.Publisher.class) {
            return new Publishing<>(items);
        }
        return StreamSupport.stream(Spliterators.spliteratorUnknownSize(items, Spliterator.ORDERED), false);
    }

    /** A generic type with its variables filled in. */
    private static final class Filled implements ParameterizedType {
        private final Class<?> raw;
        private final List<Type> arguments;

        Filled(Class<?> raw, List<Type> arguments) {
            this.raw = raw;
            this.arguments = arguments;
        }

        @Override
        public Type[] getActualTypeArguments() {
            return arguments.toArray(new Type[0]);
        }

        @Override
        public Type getRawType() {
            return raw;
        }

        @Override
        public Type getOwnerType() {
            return null;
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Filled && ((Filled) other).raw == raw && ((Filled) other).arguments.equals(arguments);
        }

        @Override
        public int hashCode() {
            return raw.hashCode() * 31 + arguments.hashCode();
        }

        @Override
        public String toString() {
            return raw.getName() + arguments;
        }
    }

    Type resolve(Type type) {
        if (type instanceof TypeVariable) {
            Type bound = variables.get(type);
            if (bound == null) {
                throw new IllegalArgumentException("the type variable " + type + " says nothing about its values");
            }
            return bound;
        }
        if (type instanceof WildcardType) {
            return resolve(((WildcardType) type).getUpperBounds()[0]);
        }
        if (type instanceof ParameterizedType) {
            ParameterizedType generic = (ParameterizedType) type;
            Type[] arguments = generic.getActualTypeArguments();
            Type[] filled = new Type[arguments.length];
            for (int at = 0; at < arguments.length; at++) {
                filled[at] = resolve(arguments[at]);
            }
            return new Filled((Class<?>) generic.getRawType(), List.of(filled));
        }
        return type;
    }

    static Class<?> rawOf(Type type) {
        if (type instanceof Class) {
            return (Class<?>) type;
        }
        if (type instanceof ParameterizedType) {
            return (Class<?>) ((ParameterizedType) type).getRawType();
        }
        return Object[].class;
    }

    static Type argument(Type type, int place) {
        if (!(type instanceof ParameterizedType)) {
            throw new IllegalArgumentException(
                    type.getTypeName() + " does not say of what: write its type in angle brackets");
        }
        return ((ParameterizedType) type).getActualTypeArguments()[place];
    }

    private static Map<TypeVariable<?>, Type> bind(Type type, Class<?> raw, Map<TypeVariable<?>, Type> outer) {
        TypeVariable<?>[] parameters = raw.getTypeParameters();
        if (parameters.length == 0) {
            return Map.of();
        }
        Map<TypeVariable<?>, Type> bound = new HashMap<>();
        for (int at = 0; at < parameters.length; at++) {
            bound.put(parameters[at], argument(type, at));
        }
        return bound;
    }

    Shape shape(Type given) {
        Type type = resolve(given);
        Shape known = KNOWN.get(type);
        if (known == null) {
            known = making.get(type);
        }
        return known == null ? make(type) : known;
    }

    private Shape make(Type type) {
        Class<?> raw = rawOf(type);
        if (type instanceof GenericArrayType) {
            Type component = resolve(((GenericArrayType) type).getGenericComponentType());
            return keep(type, new ListShape(shape(component), false, rawOf(component)));
        }
        Shape scalar = Scalars.of(raw);
        if (scalar != null) {
            return keep(type, scalar);
        }
        if (raw == Object.class) {
            return AnyShape.ANY;
        }
        if (raw.isEnum()) {
            return keep(type, new EnumShape(raw));
        }
        if (raw.isRecord()) {
            RecordShape made = new RecordShape(raw, false);
            keep(type, made);
            made.link(new Shapes(making, bind(type, raw, variables)), false);
            return made;
        }
        if (raw.isArray()) {
            return keep(type, new ListShape(shape(raw.getComponentType()), false, raw.getComponentType()));
        }
        if (raw == List.class || raw == Collection.class || raw == Iterable.class) {
            return keep(type, new ListShape(shape(argument(type, 0)), false, null));
        }
        if (raw == Set.class) {
            return keep(type, new ListShape(shape(argument(type, 0)), true, null));
        }
        if (raw == Map.class) {
            return keep(type, new MapShape(key(argument(type, 0)), shape(argument(type, 1))));
        }
        return makeRare(type, raw);
    }

    private Shape makeRare(Type type, Class<?> raw) {
        if (raw == Optional.class) {
            return keep(type, new OptionalShape(raw, shape(argument(type, 0)), false));
        }
        if (raw == OptionalLong.class) {
            return keep(type, new OptionalShape(raw, shape(long.class), false));
        }
        if (raw == OptionalInt.class) {
            return keep(type, new OptionalShape(raw, shape(int.class), false));
        }
        if (raw == OptionalDouble.class) {
            return keep(type, new OptionalShape(raw, shape(double.class), false));
        }
        if (raw.isSealed() && raw.isInterface()) {
            UnionShape made = new UnionShape(raw);
            keep(type, made);
            made.link(this);
            return made;
        }
        if (isStream(raw)) {
            throw new IllegalArgumentException("only a component of a function's input itself can be a stream");
        }
        throw new IllegalArgumentException(
                type.getTypeName() + " cannot be part of a contract: use a record, a sealed interface of records, an enum,"
                        + " a collection, Object for any value, or one of the single types that the documentation lists");
    }

    private Shape key(Type type) {
        Shape shape = shape(type);
        boolean textual = rawOf(resolve(type)) == String.class
                || shape instanceof EnumShape
                || rawOf(resolve(type)) == java.util.UUID.class;
        if (!textual) {
            throw new IllegalArgumentException("the keys of a map must be String, an enum or UUID");
        }
        return shape;
    }

    private Shape keep(Type type, Shape shape) {
        making.put(type, shape);
        return shape;
    }
}
