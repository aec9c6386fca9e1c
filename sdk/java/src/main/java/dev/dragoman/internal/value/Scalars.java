package dev.dragoman.internal.value;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.net.URI;
import java.nio.ByteBuffer;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.Map;
import java.util.UUID;

/** Shapes of single values. */
final class Scalars {
    static final Shape BYTE_BUFFER = new Bytes(true);

    private Scalars() {}

    /** The shape of a class, or null where it is no single value. */
    static Shape of(Class<?> type) {
        if (type == String.class || type == CharSequence.class) {
            return new Text();
        }
        if (type == long.class || type == Long.class) {
            return new Whole(64);
        }
        if (type == int.class || type == Integer.class) {
            return new Whole(32);
        }
        if (type == short.class || type == Short.class) {
            return new Whole(16);
        }
        if (type == byte.class || type == Byte.class) {
            return new Whole(8);
        }
        if (type == boolean.class || type == Boolean.class) {
            return new Bool();
        }
        if (type == double.class || type == Double.class) {
            return new Real(false);
        }
        if (type == float.class || type == Float.class) {
            return new Real(true);
        }
        if (type == BigInteger.class) {
            return new Big();
        }
        if (type == byte[].class) {
            return new Bytes(false);
        }
        if (type == ByteBuffer.class) {
            return BYTE_BUFFER;
        }
        if (type == Void.class || type == void.class) {
            return new Nothing();
        }
        return Written.of(type);
    }

    private static final class Nothing extends Shape {
        @Override
        public Object read(Reader reader) throws Mismatch {
            reader.readNull();
            return null;
        }

        @Override
        public void write(Object value, Writer writer) {
            writer.nothing();
        }

        @Override
        public Map<String, Object> schema(Definitions definitions) {
            return Definitions.map("type", "null");
        }

        @Override
        boolean takesNull() {
            return true;
        }
    }

    private static final class Text extends Shape {
        @Override
        public Object read(Reader reader) throws Mismatch {
            return reader.readText();
        }

        @Override
        public void write(Object value, Writer writer) throws Mismatch {
            if (value == null) {
                throw unexpected(null, "text");
            }
            writer.text(value.toString());
        }

        @Override
        public Map<String, Object> schema(Definitions definitions) {
            return Definitions.map("type", "string");
        }
    }

    private static final class Bool extends Shape {
        @Override
        public Object read(Reader reader) throws Mismatch {
            return reader.readBoolean();
        }

        @Override
        public void write(Object value, Writer writer) throws Mismatch {
            if (value == null) {
                throw unexpected(null, "a boolean");
            }
            writer.bool((Boolean) value);
        }

        @Override
        public Map<String, Object> schema(Definitions definitions) {
            return Definitions.map("type", "boolean");
        }
    }

    private static final class Whole extends Shape {
        private final int bits;
        private final long least;
        private final long most;

        Whole(int bits) {
            this.bits = bits;
            most = Long.MAX_VALUE >> 64 - bits;
            least = -most - 1;
        }

        @Override
        public Object read(Reader reader) throws Mismatch {
            long value = reader.readLong();
            if (bits == 64) {
                return value;
            }
            if (value < least || value > most) {
                throw new Mismatch("an integer that does not fit " + bits + " bits");
            }
            switch (bits) {
                case 32:
                    return (int) value;
                case 16:
                    return (short) value;
                default:
                    return (byte) value;
            }
        }

        @Override
        public void write(Object value, Writer writer) throws Mismatch {
            if (value == null) {
                throw unexpected(null, "an integer");
            }
            writer.integer(((Number) value).longValue());
        }

        @Override
        public Map<String, Object> schema(Definitions definitions) {
            return Definitions.map("type", "integer", "minimum", least, "maximum", most);
        }
    }

    private static final class Big extends Shape {
        @Override
        public Object read(Reader reader) throws Mismatch {
            return reader.readBig();
        }

        @Override
        public void write(Object value, Writer writer) throws Mismatch {
            if (value == null) {
                throw unexpected(null, "an integer");
            }
            writer.big((BigInteger) value);
        }

        @Override
        public Map<String, Object> schema(Definitions definitions) {
            return Definitions.map("type", "integer");
        }
    }

    private static final class Real extends Shape {
        private final boolean narrow;

        Real(boolean narrow) {
            this.narrow = narrow;
        }

        @Override
        public Object read(Reader reader) throws Mismatch {
            if (narrow) {
                return reader.readFloat();
            }
            return reader.readDouble();
        }

        @Override
        public void write(Object value, Writer writer) throws Mismatch {
            if (value == null) {
                throw unexpected(null, "a number");
            }
            if (narrow) {
                writer.number((float) (Float) value);
            } else {
                writer.number((double) (Double) value);
            }
        }

        @Override
        public Map<String, Object> schema(Definitions definitions) {
            return Definitions.map("type", "number");
        }
    }

    private static final class Bytes extends Shape {
        private final boolean buffer;

        Bytes(boolean buffer) {
            this.buffer = buffer;
        }

        @Override
        public Object read(Reader reader) throws Mismatch {
            byte[] bytes = reader.readBytes();
            return buffer ? ByteBuffer.wrap(bytes) : bytes;
        }

        @Override
        public void write(Object value, Writer writer) throws Mismatch {
            if (value == null) {
                throw unexpected(null, "bytes");
            }
            if (!buffer) {
                byte[] bytes = (byte[]) value;
                writer.bytes(bytes, 0, bytes.length);
                return;
            }
            ByteBuffer view = ((ByteBuffer) value).duplicate();
            if (view.hasArray()) {
                writer.bytes(view.array(), view.arrayOffset() + view.position(), view.remaining());
            } else {
                byte[] bytes = new byte[view.remaining()];
                view.get(bytes);
                writer.bytes(bytes, 0, bytes.length);
            }
        }

        @Override
        public Map<String, Object> schema(Definitions definitions) {
            return Definitions.map("type", "string", "contentEncoding", "base64");
        }
    }

    /** Values that are written as text. */
    static final class Written extends Shape {
        private final Class<?> type;
        private final String format;

        private Written(Class<?> type, String format) {
            this.type = type;
            this.format = format;
        }

        static Written of(Class<?> type) {
            String format = formatOf(type);
            return format == null ? null : new Written(type, format);
        }

        private static String formatOf(Class<?> type) {
            if (type == BigDecimal.class) {
                return "decimal";
            }
            if (type == Instant.class || type == OffsetDateTime.class || type == ZonedDateTime.class) {
                return "date-time";
            }
            if (type == LocalDate.class) {
                return "date";
            }
            if (type == LocalTime.class) {
                return "time";
            }
            if (type == Duration.class) {
                return "duration";
            }
            if (type == UUID.class) {
                return "uuid";
            }
            return type == URI.class ? "uri" : null;
        }

        @Override
        public Object read(Reader reader) throws Mismatch {
            if (format == "date-time" && reader.peek() == Reader.MOMENT) {
                return in(reader.readMoment().atOffset(ZoneOffset.UTC));
            }
            return parse(reader.readText());
        }

        private Object in(OffsetDateTime moment) {
            if (type == Instant.class) {
                return moment.toInstant();
            }
            return type == OffsetDateTime.class ? moment : moment.toZonedDateTime();
        }

        Object parse(String text) throws Mismatch {
            try {
                switch (format) {
                    case "decimal":
                        return Texts.decimal(text);
                    case "date-time":
                        return in(Texts.moment(text));
                    case "date":
                        return Texts.date(text);
                    case "time":
                        return Texts.time(text);
                    case "duration":
                        return Texts.duration(text);
                    case "uuid":
                        return Texts.uuid(text);
                    default:
                        return new URI(text);
                }
            } catch (DateTimeException
                    | ArithmeticException
                    | IllegalArgumentException
                    | java.net.URISyntaxException error) {
                throw new Mismatch("must be text of format " + format);
            }
        }

        String text(Object value) throws Mismatch {
            if (value == null) {
                throw unexpected(null, "text of format " + format);
            }
            switch (format) {
                case "decimal":
                    return Texts.of((BigDecimal) value);
                case "date-time":
                    return Texts.of(
                            value instanceof Instant
                                    ? ((Instant) value).atOffset(ZoneOffset.UTC)
                                    : value instanceof ZonedDateTime
                                            ? ((ZonedDateTime) value).toOffsetDateTime()
                                            : (OffsetDateTime) value);
                case "date":
                    return Texts.of((LocalDate) value);
                case "time":
                    return Texts.of((LocalTime) value);
                case "duration":
                    return Texts.of((Duration) value);
                default:
                    return value.toString();
            }
        }

        @Override
        public void write(Object value, Writer writer) throws Mismatch {
            writer.text(text(value));
        }

        @Override
        public Map<String, Object> schema(Definitions definitions) {
            return Definitions.map("type", "string", "format", format);
        }
    }
}
