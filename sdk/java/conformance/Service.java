import dev.dragoman.Context;
import dev.dragoman.Dragoman;
import dev.dragoman.Fault;
import dev.dragoman.Name;
import dev.dragoman.Nullable;
import dev.dragoman.Tag;
import dev.dragoman.TypeOf;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.UUID;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/** The conformance service in Java. */
public final class Service {
    record Value(Object value) {}

    record Two(long a, long b) {}

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

    record Typed(
            @Name("int") long whole,
            BigInteger big,
            @Name("float") double real,
            BigDecimal decimal,
            boolean flag,
            String text,
            byte[] bytes,
            Instant moment,
            LocalDate date,
            Duration duration,
            UUID uuid,
            Colour colour,
            List<String> tags,
            Map<String, Long> scores,
            Figure shape,
            OptionalLong maybe,
            @Nullable Long nullable,
            Optional<Typed> inner) {}

    record Failing(String code, String detail) {}

    record Message(String message) {}

    record Count(int to, OptionalInt bytes) {}

    record Items(int items) {}

    record Seconds(double seconds) {
        Duration duration() {
            return Duration.ofNanos((long) (seconds * 1e9));
        }
    }

    record Numbers(Stream<Long> numbers) {}

    record Asked(String function, Map<String, Object> input) {}

    record Line(String message, String level) {}

    record Progress(double share, String message) {}

    record Steps(List<Double> shares, double seconds) {}

    record Text(String text) {}

    record Blob(byte[] data) {}

    record About(@Name("call_id") String callId, @Name("trace_id") @Nullable String traceId, boolean cancelled) {}

    private Service() {}

    private static String stubborn(Seconds input) {
        long ends = System.nanoTime() + input.duration().toNanos();
        while (System.nanoTime() < ends) {
            Thread.interrupted();
            LockSupport.parkNanos(ends - System.nanoTime());
        }
        return "done";
    }

    private static About about(Context context) {
        String trace = context.traceparent();
        return new About(context.callId(), trace.isEmpty() ? null : trace.substring(3, 35), context.cancelled());
    }

    private static byte[] reverse(byte[] data) {
        byte[] turned = new byte[data.length];
        for (int at = 0; at < data.length; at++) {
            turned[data.length - 1 - at] = data[at];
        }
        return turned;
    }

    public static void main(String[] arguments) {
        Dragoman.function("echo", Value.class, Object.class, (input, context) -> input.value());
        Dragoman.function("add", Two.class, BigInteger.class,
                (input, context) -> BigInteger.valueOf(input.a()).add(BigInteger.valueOf(input.b())));
        Dragoman.function("typed", Typed.class, Typed.class, (input, context) -> input);
        Dragoman.function("fail", Failing.class, Void.class, (input, context) -> {
            throw new Fault(Fault.Code.valueOf(input.code()), input.detail()).with("/code", "as asked");
        });
        Dragoman.function("crash", Message.class, Void.class, (input, context) -> {
            throw new IllegalStateException(input.message());
        });
        Dragoman.function("unserialisable", Void.class, Object.class, (input, context) -> new Thread());
        Dragoman.stream("count", Count.class, Object.class, (input, context) -> {
            String text = "x".repeat(input.bytes().orElse(0));
            return IntStream.range(0, input.to()).mapToObj(number -> input.bytes().orElse(0) > 0 ? text : number);
        });
        Dragoman.stream("fail_after", Items.class, Integer.class, (input, context) ->
                IntStream.rangeClosed(0, input.items()).mapToObj(number -> {
                    if (number == input.items()) {
                        throw Fault.failedPrecondition("as asked");
                    }
                    return number;
                }));
        Dragoman.function("sleep", Seconds.class, String.class, (input, context) -> {
            Thread.sleep(input.duration().toMillis());
            return "slept";
        });
        Dragoman.stream("endless", Void.class, Long.class, (input, context) -> LongStream.iterate(0, n -> n + 1).boxed());
        Dragoman.function("stubborn", Seconds.class, String.class, (input, context) -> stubborn(input));
        Dragoman.function("sum", Numbers.class, Long.class,
                (input, context) -> input.numbers().reduce(0L, Math::addExact));
        Dragoman.function("first", Numbers.class, Long.class, (input, context) -> input.numbers().iterator().next());
        Dragoman.stream("double", Numbers.class, Long.class, (input, context) -> input.numbers().map(n -> 2 * n));
        Dragoman.function("call", Asked.class, Object.class,
                (input, context) -> context.call(input.function(), input.input(), Object.class));
        Dragoman.stream("relay", Asked.class, Object.class,
                (input, context) -> context.stream(input.function(), input.input(), Object.class));
        Dragoman.function("log", Line.class, Void.class, (input, context) -> {
            context.log(Context.Level.valueOf(input.level().toUpperCase()), input.message(), Map.of("n", 1));
            return null;
        });
        Dragoman.function("progress", Progress.class, Void.class, (input, context) -> {
            context.progress(input.share(), input.message());
            return null;
        });
        Dragoman.function("steps", Steps.class, Void.class, (input, context) -> {
            input.shares().forEach(share -> context.progress(share, ""));
            long ends = System.nanoTime() + (long) (input.seconds() * 1e9);
            while (System.nanoTime() < ends) {
                Thread.onSpinWait();
            }
            return null;
        });
        Dragoman.function("print", Text.class, Void.class, (input, context) -> {
            System.out.println(input.text());
            System.err.println(input.text());
            return null;
        });
        Dragoman.function("remaining", Void.class, new TypeOf<Optional<Double>>() {},
                (input, context) -> context.remaining().map(left -> left.toNanos() / 1e9));
        Dragoman.function("about", Void.class, About.class, (input, context) -> about(context));
        Dragoman.function("reverse", Blob.class, byte[].class, (input, context) -> reverse(input.data()));
        Dragoman.run();
    }
}
