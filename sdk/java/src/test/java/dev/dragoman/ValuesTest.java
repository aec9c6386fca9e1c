package dev.dragoman;

import dev.dragoman.internal.value.Definitions;
import dev.dragoman.internal.value.Json;
import dev.dragoman.internal.value.JsonReader;
import dev.dragoman.internal.value.JsonWriter;
import dev.dragoman.internal.value.Mismatch;
import dev.dragoman.internal.value.MsgPackReader;
import dev.dragoman.internal.value.MsgPackWriter;
import dev.dragoman.internal.value.Reader;
import dev.dragoman.internal.value.Shape;
import dev.dragoman.internal.value.Shapes;
import dev.dragoman.internal.value.Writer;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import java.util.Set;
import java.util.UUID;

/** Values there and back in both codecs, and what is refused. */
public final class ValuesTest {
    enum Colour {
        @Name("red")
        RED,
        @Name("green")
        GREEN
    }

    @Tag("kind")
    sealed interface Figure permits Circle, Square {}

    @Name("circle")
    record Circle(double radius) implements Figure {}

    @Name("square")
    record Square(double side) implements Figure {}

    record Everything(
            long number,
            BigInteger big,
            double real,
            float narrow,
            BigDecimal decimal,
            boolean flag,
            String text,
            ByteBuffer bytes,
            Instant moment,
            OffsetDateTime local,
            LocalDate date,
            LocalTime time,
            Duration duration,
            UUID uuid,
            Colour colour,
            List<String> tags,
            Set<Integer> numbers,
            Map<String, Long> scores,
            Map<Colour, Figure> figures,
            Optional<String> maybe,
            @Nullable Long nullable,
            @Nullable Optional<String> both,
            OptionalLong perhaps,
            List<Optional<Integer>> holes,
            Optional<Everything> inner,
            Object any) {}

    record Few(byte tiny, short small, int medium) {}

    record Pair<A, B>(A first, B second) {}

    record Node(String name, List<Node> children) {}

    record Positive(int value) {
        Positive {
            if (value <= 0) {
                throw new IllegalArgumentException("must be above 0");
            }
        }
    }

    static byte[] write(Shape shape, Object value, boolean json) throws Mismatch {
        Writer writer = json ? new JsonWriter() : new MsgPackWriter();
        shape.write(value, writer);
        return writer.sink.take();
    }

    static Object read(Shape shape, byte[] data, boolean json) throws Mismatch {
        Reader reader = json ? new JsonReader(data, 0, data.length) : new MsgPackReader(data, 0, data.length);
        Object value = shape.read(reader);
        reader.finish();
        return value;
    }

    private static Object readJson(java.lang.reflect.Type type, String text) throws Mismatch {
        return read(Shapes.of(type), text.getBytes(StandardCharsets.UTF_8), true);
    }

    private static String writeJson(java.lang.reflect.Type type, Object value) throws Mismatch {
        return new String(write(Shapes.of(type), value, true), StandardCharsets.UTF_8);
    }

    private static Everything everything(Optional<Everything> inner) {
        return new Everything(
                Long.MIN_VALUE,
                new BigInteger("9223372036854775807"),
                0.1,
                0.1f,
                new BigDecimal("12.50"),
                true,
                "naïve 🐉 e\u0301 \u0000\u001f\"\\/",
                ByteBuffer.wrap(new byte[] {0, -1, 5}),
                Instant.parse("2026-01-31T10:20:30.123456789Z"),
                OffsetDateTime.parse("2026-01-31T10:20:30.5+05:30"),
                LocalDate.of(2026, 1, 31),
                LocalTime.of(23, 59, 59, 500_000_000),
                Duration.ofSeconds(-95_400, -500_000_000),
                new UUID(1, 2),
                Colour.GREEN,
                List.of("a", "b"),
                new java.util.LinkedHashSet<>(List.of(3, 1)),
                Map.of("x", 1L),
                Map.of(Colour.RED, new Circle(1.5)),
                Optional.empty(),
                null,
                null,
                OptionalLong.of(5),
                List.of(Optional.of(1), Optional.empty()),
                inner,
                new ArrayList<>(Arrays.asList(1L, "x", null, 1.5, true, Map.of("k", List.of()))));
    }

    public void everyKindOfValueSurvivesBothCodecs() throws Exception {
        Everything value = everything(Optional.of(everything(Optional.empty())));
        Shape shape = Shapes.of(Everything.class);
        for (boolean json : new boolean[] {true, false}) {
            Check.equal(read(shape, write(shape, value, json), json), value, json ? "JSON" : "MessagePack");
        }
    }

    public void valuesAreWrittenAsTheSpecificationSays() throws Exception {
        Check.equal(writeJson(Duration.class, Duration.ofSeconds(95_400, 500_000_000)), "\"P1DT2H30M0.5S\"", "duration");
        Check.equal(writeJson(Duration.class, Duration.ofSeconds(-1)), "\"-PT1S\"", "negative duration");
        Check.equal(writeJson(Duration.class, Duration.ofDays(2)), "\"P2D\"", "whole days");
        Check.equal(writeJson(LocalTime.class, LocalTime.of(23, 59)), "\"23:59:00\"", "time");
        Check.equal(writeJson(BigDecimal.class, new BigDecimal("12.50")), "\"12.50\"", "decimal");
        Check.equal(writeJson(double.class, 5.684341886080802e-14), "5.684341886080802E-14", "shortest");
        Check.equal(writeJson(byte[].class, new byte[] {1}), "\"AQ==\"", "bytes");
        Check.equal(writeJson(Figure.class, new Circle(2)), "{\"kind\":\"circle\",\"radius\":2.0}", "union");
        Check.equal(writeJson(Instant.class, Instant.ofEpochSecond(0)), "\"1970-01-01T00:00:00Z\"", "moment");
        byte[] stamp = {(byte) 0xD6, -1, 0, 0, 0, 1};
        Check.equal(read(Shapes.of(Instant.class), stamp, false), Instant.ofEpochSecond(1), "timestamp");
    }

    public void absentAndNullAreDifferent() throws Exception {
        record Both(@Nullable Optional<String> value) {}
        Check.equal(readJson(Both.class, "{}"), new Both(Optional.empty()), "absent");
        Check.equal(readJson(Both.class, "{\"value\":null}"), new Both(null), "null");
        Check.equal(readJson(Both.class, "{\"value\":\"x\"}"), new Both(Optional.of("x")), "given");
        Check.equal(writeJson(Both.class, new Both(Optional.empty())), "{}", "absent");
        Check.equal(writeJson(Both.class, new Both(null)), "{\"value\":null}", "null");
        record Needed(String value) {}
        Check.equal(Check.thrown(Mismatch.class, () -> readJson(Needed.class, "{}")).path(), "/value", "path");
        Check.thrown(Mismatch.class, () -> readJson(Needed.class, "{\"value\":null}"));
        Check.thrown(Mismatch.class, () -> writeJson(Needed.class, new Needed(null)));
    }

    public void nothingIsEverRounded() throws Exception {
        String digits = "123456789012345678901234567890";
        Check.equal(readJson(Object.class, digits), new BigInteger(digits), "big");
        Check.equal(readJson(double.class, "9007199254740992"), 9007199254740992.0, "2^53");
        for (String bad : List.of("9007199254740993", "1e999", "-1e999")) {
            Check.thrown(Mismatch.class, () -> readJson(double.class, bad));
        }
        for (String bad : List.of("9223372036854775808", "1.0", "1e2", "\"1\"", "true", "null")) {
            Check.thrown(Mismatch.class, () -> readJson(long.class, bad));
        }
        Check.equal(readJson(long.class, "-9223372036854775808"), Long.MIN_VALUE, "least");
        Check.thrown(Mismatch.class, () -> readJson(Few.class, "{\"tiny\":128,\"small\":0,\"medium\":0}"));
        Check.thrown(Mismatch.class, () -> readJson(Few.class, "{\"tiny\":0,\"small\":40000,\"medium\":0}"));
        Check.thrown(Mismatch.class, () -> readJson(Few.class, "{\"tiny\":0,\"small\":0,\"medium\":2147483648}"));
        Check.thrown(Mismatch.class, () -> writeJson(double.class, Double.NaN));
        Check.thrown(Mismatch.class, () -> writeJson(double.class, Double.NEGATIVE_INFINITY));
        Shape real = Shapes.of(double.class);
        Check.equal(read(real, write(real, Double.NaN, false), false), Double.NaN, "NaN in MessagePack");
        Shape big = Shapes.of(BigInteger.class);
        BigInteger most = BigInteger.ONE.shiftLeft(64).subtract(BigInteger.ONE);
        Check.equal(read(big, write(big, most, false), false), most, "2^64 - 1");
        Check.that(Check.thrown(Mismatch.class, () -> write(big, most.add(BigInteger.ONE), false)).codecOnly, "codec");
    }

    public void textIsUnicodeAndWhole() throws Exception {
        Check.equal(readJson(String.class, "\"\\ud83d\\udc09\\u0000\\/\""), "🐉\u0000/", "escapes");
        for (String bad : List.of("\"\\ud83d\"", "\"\\udc09x\"", "\"a\nb\"", "\"\\x\"", "\"", "\"\\u00\"")) {
            Check.thrown(Mismatch.class, () -> readJson(String.class, bad));
        }
        Check.thrown(Mismatch.class, () -> writeJson(String.class, "\ud83d"));
        Check.thrown(Mismatch.class, () -> write(Shapes.of(String.class), "\udc09a", false));
        Check.thrown(Mismatch.class, () -> read(Shapes.of(String.class), new byte[] {'"', -1, '"'}, true));
        Check.thrown(Mismatch.class, () -> read(Shapes.of(String.class), new byte[] {(byte) 0xA1, -1}, false));
        Check.equal(readJson(String.class, "\"\uFFFD\""), "\uFFFD", "the replacement itself");
    }

    public void pathsNameThePlace() {
        Mismatch error = Check.thrown(
                Mismatch.class, () -> readJson(Node.class, "{\"name\":\"a\",\"children\":[{\"name\":1,\"children\":[]}]}"));
        Check.equal(error.path(), "/children/0/name", "path");
        Check.equal(
                Check.thrown(Mismatch.class, () -> readJson(Positive.class, "{\"value\":0}")).problem(),
                "must be above 0",
                "a compact constructor's own message");
        Check.equal(
                Check.thrown(Mismatch.class, () -> readJson(Figure.class, "{\"kind\":\"cube\"}")).path(), "/kind", "tag");
    }

    public void datesAreReadStrictly() throws Exception {
        Check.equal(readJson(Instant.class, "\"2026-01-31T12:00:00+02:00\""), Instant.parse("2026-01-31T10:00:00Z"), "offset");
        for (String bad : List.of(
                "2026-01-31T12:00:00", "2026-01-31T12:00Z", "2026-13-01T00:00:00Z", "2026-01-31T12:00:00.1234567891Z",
                "2026-02-30T00:00:00Z", "2026-01-31", "", "2026-01-31T12:00:60Z")) {
            Check.thrown(Mismatch.class, () -> readJson(Instant.class, "\"" + bad + "\""));
        }
        for (String bad : List.of("P", "PT", "P1M", "P1W", "1D", "PT1.5M", "PT-1S", "P1DT", "PT1S1M", "", "PT1", "P1H")) {
            Check.thrown(Mismatch.class, () -> readJson(Duration.class, "\"" + bad + "\""));
        }
        Check.equal(readJson(Duration.class, "\"PT26H\""), Duration.ofHours(26), "hours past a day");
        for (String bad : List.of("1,5", "+1", "NaN", "Infinity", "0x1", "", " 1")) {
            Check.thrown(Mismatch.class, () -> readJson(BigDecimal.class, "\"" + bad + "\""));
        }
        for (String bad : List.of("00000000-0000-0000-0000-00000000000", "0-0-0-0-0", "g0000000-0000-0000-0000-000000000000")) {
            Check.thrown(Mismatch.class, () -> readJson(UUID.class, "\"" + bad + "\""));
        }
    }

    public void depthIsBounded() throws Exception {
        String deep = "[".repeat(500) + "]".repeat(500);
        Check.that(readJson(Object.class, deep) != null, "500 levels");
        Check.thrown(Mismatch.class, () -> readJson(Object.class, "[" + deep + "]"));
        byte[] packed = new byte[501];
        Arrays.fill(packed, (byte) 0x91);
        packed[500] = (byte) 0xC0;
        Check.that(read(Shapes.of(Object.class), packed, false) != null, "500 levels");
        List<Object> loop = new ArrayList<>();
        loop.add(loop);
        Check.thrown(Mismatch.class, () -> writeJson(Object.class, loop));
        Check.thrown(Mismatch.class, () -> write(Shapes.of(Object.class), loop, false));
    }

    public void malformedJsonIsRefused() {
        for (String bad : List.of(
                "", " ", "{", "[1,]", "{\"a\":1,}", "[1 2]", "{\"a\" 1}", "{1:2}", "01", "1.", ".5", "+1", "-", "1e", "tru",
                "nul", "'a'", "[1]x", "NaN", "Infinity", "{\"a\":}", ",", "]", "\u00a01")) {
            Check.thrown(Mismatch.class, () -> readJson(Object.class, bad));
        }
    }

    public void theLastOfDoubleKeysCounts() throws Exception {
        Object last = readJson(Few.class, "{\"tiny\":1,\"small\":2,\"medium\":3,\"tiny\":4}");
        Check.equal(last, new Few((byte) 4, (short) 2, 3), "last");
    }

    public void genericRecordsAndArraysHaveShapes() throws Exception {
        record Holder(Pair<String, List<Integer>> pair, double[] values, String[][] grid, Map<UUID, byte[]> blobs) {}
        String text = "{\"pair\":{\"first\":\"a\",\"second\":[1]},\"values\":[1.5,2],\"grid\":[[\"x\"]],"
                + "\"blobs\":{\"00000000-0000-0001-0000-000000000002\":\"AQ==\"}}";
        Holder holder = (Holder) readJson(Holder.class, text);
        Check.equal(holder.pair(), new Pair<>("a", List.of(1)), "pair");
        Check.equal(holder.values(), new double[] {1.5, 2}, "values");
        Check.equal(holder.grid()[0][0], "x", "grid");
        Check.equal(writeJson(Holder.class, holder), text.replace("2]", "2.0]"), "again");
    }

    public void schemasSayWhatIsTaken() throws Exception {
        Map<?, ?> schema = Definitions.of(Shapes.ofInput(Everything.class));
        Map<?, ?> properties = (Map<?, ?>) schema.get("properties");
        Map<?, ?> wide = Map.of("type", "integer", "minimum", Long.MIN_VALUE, "maximum", Long.MAX_VALUE);
        Check.equal(properties.get("number"), wide, "long");
        Check.equal(properties.get("big"), Map.of("type", "integer"), "big");
        Check.equal(properties.get("decimal"), Map.of("type", "string", "format", "decimal"), "decimal");
        Check.equal(properties.get("bytes"), Map.of("type", "string", "contentEncoding", "base64"), "bytes");
        Check.that(!((List<?>) schema.get("required")).contains("maybe"), "optional");
        Check.that(((List<?>) schema.get("required")).contains("nullable"), "nullable is required");
        Check.equal(schema.get("additionalProperties"), false, "strict");
        Check.that(((Map<?, ?>) schema.get("$defs")).containsKey("Everything"), "recursion");
        Check.that(new String(Json.encode(schema)).contains("\"const\":\"circle\""), "tags");
        record Items(String unit, java.util.stream.Stream<Integer> values) {}
        Map<?, ?> streamed = (Map<?, ?>) Definitions.of(Shapes.ofInput(Items.class)).get("properties");
        Check.equal(((Map<?, ?>) streamed.get("values")).get("type"), "array", "a stream is an array in the contract");
    }

    public void whatCannotBeAContractIsSaidPlainly() {
        record Bad(Thread thread) {}
        record Raw(@SuppressWarnings("rawtypes") List list) {}
        record Inner(java.util.stream.Stream<String> items) {}
        record Outer(Inner inner) {}
        record Keyed(Map<Integer, String> map) {}
        for (Class<?> type : List.of(Bad.class, Raw.class, Outer.class, Keyed.class, Runnable.class, Object[].class.getClass())) {
            String message = Check.thrown(IllegalArgumentException.class, () -> Shapes.ofInput(type)).getMessage();
            Check.that(message.length() > 20, message);
        }
    }

    public void randomBytesAreOnlyEverAMismatch() throws Exception {
        Random random = new Random(11);
        Shape[] shapes = {Shapes.of(Everything.class), Shapes.of(Object.class), Shapes.of(Figure.class)};
        byte[][] seeds = {
            write(shapes[0], everything(Optional.empty()), true), write(shapes[0], everything(Optional.empty()), false)
        };
        for (int round = 0; round < 60_000; round++) {
            boolean json = round % 2 == 0;
            byte[] data;
            if (round % 3 == 0) {
                data = new byte[random.nextInt(40)];
                random.nextBytes(data);
            } else {
                data = seeds[json ? 0 : 1].clone();
                for (int change = random.nextInt(3); change >= 0; change--) {
                    data[random.nextInt(data.length)] = (byte) random.nextInt();
                }
            }
            try {
                read(shapes[round % shapes.length], data, json);
            } catch (Mismatch error) {
                Objects.requireNonNull(error.getMessage());
            }
        }
    }

    public void randomValuesSurvive() throws Exception {
        Random random = new Random(13);
        Shape any = Shapes.of(Object.class);
        for (int round = 0; round < 600; round++) {
            Object value = random(random, 4);
            for (boolean json : new boolean[] {true, false}) {
                Check.equal(read(any, write(any, value, json), json), value, "round " + round);
            }
        }
    }

    private static Object random(Random random, int depth) {
        switch (random.nextInt(depth > 0 ? 8 : 6)) {
            case 0:
                return null;
            case 1:
                return random.nextBoolean();
            case 2:
                return random.nextLong() >> random.nextInt(64);
            case 3:
                double real = Double.longBitsToDouble(random.nextLong());
                return Double.isNaN(real) || Double.isInfinite(real) ? 0.5 : real;
            case 4:
                return "é".repeat(random.nextInt(300));
            case 5:
                StringBuilder text = new StringBuilder();
                for (int count = random.nextInt(20); count > 0; count--) {
                    int point = random.nextInt(0x10FFFF);
                    text.appendCodePoint(point >= 0xD800 && point < 0xE000 ? 'x' : point);
                }
                return text.toString();
            case 6:
                List<Object> list = new ArrayList<>();
                for (int count = random.nextInt(20); count > 0; count--) {
                    list.add(random(random, depth - 1));
                }
                return list;
            default:
                Map<String, Object> map = new LinkedHashMap<>();
                for (int count = random.nextInt(20); count > 0; count--) {
                    map.put("k" + random.nextInt(1000), random(random, depth - 1));
                }
                return map;
        }
    }
}
