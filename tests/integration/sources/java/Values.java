import dev.dragoman.Dragoman;
import dev.dragoman.Name;
import dev.dragoman.Nullable;
import dev.dragoman.Tag;
import dev.dragoman.TypeOf;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/** Gives values of every kind back: by itself, and by way of Python. */
public final class Values {
    enum Colour {
        @Name("red")
        RED,
        GREEN
    }

    @Tag("kind")
    sealed interface Figure permits Circle, Square {}

    @Name("circle")
    record Circle(double radius) implements Figure {}

    @Name("square")
    record Square(long side) implements Figure {}

    record One<T>(T v) {}

    record Nulls(@Nullable Long a, Optional<Long> b, @Nullable Optional<Long> c) {}

    record All(
            long whole,
            BigInteger big,
            double real,
            BigDecimal decimal,
            boolean flag,
            String text,
            List<byte[]> bytes,
            Instant moment,
            LocalDate date,
            LocalTime time,
            Duration duration,
            UUID uuid,
            Colour colour,
            List<List<String>> lists,
            Map<String, Map<String, Long>> maps,
            List<Figure> figures,
            @Nullable Long nullable,
            Optional<All> inner) {}

    private Values() {}

    private static <T> void echo(String name, TypeOf<One<T>> input, TypeOf<T> output) {
        Dragoman.function(name, input, output, (in, ctx) -> in.v());
    }

    public static void main(String[] arguments) {
        echo("whole", new TypeOf<One<Long>>() {}, new TypeOf<Long>() {});
        echo("big", new TypeOf<One<BigInteger>>() {}, new TypeOf<BigInteger>() {});
        echo("real", new TypeOf<One<Double>>() {}, new TypeOf<Double>() {});
        echo("single", new TypeOf<One<Float>>() {}, new TypeOf<Float>() {});
        echo("decimal", new TypeOf<One<BigDecimal>>() {}, new TypeOf<BigDecimal>() {});
        echo("text", new TypeOf<One<String>>() {}, new TypeOf<String>() {});
        echo("bytes", new TypeOf<One<List<byte[]>>>() {}, new TypeOf<List<byte[]>>() {});
        echo("moment", new TypeOf<One<Instant>>() {}, new TypeOf<Instant>() {});
        echo("local", new TypeOf<One<OffsetDateTime>>() {}, new TypeOf<OffsetDateTime>() {});
        echo("date", new TypeOf<One<LocalDate>>() {}, new TypeOf<LocalDate>() {});
        echo("time", new TypeOf<One<LocalTime>>() {}, new TypeOf<LocalTime>() {});
        echo("duration", new TypeOf<One<Duration>>() {}, new TypeOf<Duration>() {});
        echo("colour", new TypeOf<One<Colour>>() {}, new TypeOf<Colour>() {});
        echo("figure", new TypeOf<One<Figure>>() {}, new TypeOf<Figure>() {});
        echo("any", new TypeOf<One<Object>>() {}, new TypeOf<Object>() {});
        Dragoman.function("nulls", Nulls.class, Nulls.class, (in, ctx) -> in);
        Dragoman.function("all", All.class, All.class, (in, ctx) -> in);
        Dragoman.function("through", All.class, All.class, (in, ctx) -> ctx.call("py.everything", in, All.class));
        Dragoman.function("any_through", new TypeOf<One<Object>>() {}, new TypeOf<Object>() {},
                (in, ctx) -> ctx.call("py.anything", in, Object.class));
        Dragoman.function("not_a_number", Void.class, Double.class, (in, ctx) -> Double.NaN);
        Dragoman.function("surrogate", Void.class, String.class, (in, ctx) -> "a\ud800b");
        Dragoman.function("sends_surrogate", Void.class, Object.class,
                (in, ctx) -> ctx.call("py.anything", new One<>("a\ud800b"), Object.class));
        Dragoman.function("cycle", Void.class, Object.class, (in, ctx) -> {
            List<Object> list = new ArrayList<>();
            list.add(list);
            return list;
        });
        Dragoman.run();
    }
}
