import dev.dragoman.Context;
import dev.dragoman.Dragoman;
import dev.dragoman.Fault;
import dev.dragoman.Tag;
import dev.dragoman.TypeOf;
import dev.dragoman.internal.io.Descriptor;
import java.io.IOException;
import java.lang.reflect.Field;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.concurrent.SubmissionPublisher;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import sun.misc.Unsafe;

/** Work of every sort, good and bad, for the tests of Java workers. */
public final class Work {
    record Line(String name, BigDecimal price, int count) {}

    record Order(long id, List<Line> lines, Optional<String> note, Instant at, Map<String, String> tags) {}

    @Tag("kind")
    sealed interface Shape permits Circle, Square {}

    record Circle(double radius) implements Shape {}

    record Square(double side) implements Shape {}

    record Shaped(Shape shape) {}

    record Number(long n) {}

    record Seconds(double s) {}

    record Numbers(Stream<Long> numbers) {}

    record Bytes(byte[] data) {}

    record Lent(ByteBuffer data) {}

    private static final List<byte[]> HOARD = new ArrayList<>();
    private static volatile String interrupted = "";

    private Work() {}

    public static void main(String[] arguments) {
        Dragoman.function("order", Order.class, Order.class, (in, ctx) -> in)
                .description("Gives an order back.")
                .version("1.2.0")
                .idempotent();
        Dragoman.function("area", Shaped.class, Double.class, (in, ctx) -> area(in.shape()));
        Dragoman.function("square", Number.class, Long.class, (in, ctx) -> in.n() * in.n());
        Dragoman.function("pid", Void.class, Long.class, (in, ctx) -> pid());
        Dragoman.function("nap", Seconds.class, Long.class, (in, ctx) -> {
            Thread.sleep((long) (in.s() * 1000));
            return pid();
        });
        Dragoman.stream("count", Number.class, Long.class, (in, ctx) -> LongStream.range(0, in.n()).boxed());
        Dragoman.publish("published", Number.class, Long.class, (in, ctx) -> published(in.n()));
        Dragoman.function("sum", Numbers.class, Long.class, (in, ctx) -> in.numbers().mapToLong(n -> n).sum());
        Dragoman.stream("doubled", Numbers.class, Long.class, (in, ctx) -> in.numbers().map(n -> 2 * n));
        Dragoman.function("reverse", Bytes.class, byte[].class, (in, ctx) -> reversed(in.data()));
        Dragoman.function("same", Lent.class, ByteBuffer.class, (in, ctx) ->
                ctx.allocate(in.data().remaining()).put(in.data()).flip());
        Dragoman.function("shared", Lent.class, Boolean.class, (in, ctx) -> in.data().isDirect() && in.data().isReadOnly());
        Dragoman.function("naps", Void.class, Void.class, (in, ctx) -> {
            try {
                Thread.sleep(60_000);
            } catch (InterruptedException error) {
                interrupted = ctx.callId();
                throw error;
            }
            return null;
        });
        Dragoman.function("interrupted", Void.class, String.class, (in, ctx) -> interrupted);
        Dragoman.stream("relay", Number.class, Long.class, (in, ctx) -> ctx.stream("py.count", in, Long.class));
        Dragoman.function("give", Number.class, Long.class, (in, ctx) ->
                ctx.call("py.total", new Numbers(LongStream.range(0, in.n()).boxed()), Long.class));
        Dragoman.function("ask", Number.class, Long.class, (in, ctx) -> ctx.call("py.twice", in, Long.class));
        Dragoman.function("ask_many", Number.class, new TypeOf<List<Long>>() {}, Work::askMany);
        Dragoman.function("ask_slow", Void.class, String.class, (in, ctx) -> ctx.call("py.slow", null, String.class));
        Dragoman.function("log", Number.class, Void.class, (in, ctx) -> {
            System.out.println("printed " + in.n());
            ctx.log(Context.Level.WARNING, "logged", Map.of("n", in.n()));
            return null;
        });
        bad();
        Dragoman.run();
    }

    private static void bad() {
        Dragoman.function("fail", Void.class, Void.class, (in, ctx) -> {
            throw Fault.notFound("no order 7").with("/id", "is unknown");
        });
        Dragoman.function("throws", Void.class, Void.class, (in, ctx) -> {
            throw new IOException("plain");
        });
        Dragoman.function("panics", Number.class, Long.class, (in, ctx) -> List.<Long>of().toArray(new Long[0])[(int) in.n()]);
        Dragoman.function("overflows", Number.class, Long.class, (in, ctx) -> overflow(in.n()));
        Dragoman.function("nasty", Void.class, Void.class, (in, ctx) -> {
            throw new RuntimeException() {
                @Override
                public String getMessage() {
                    throw new IllegalStateException("nasty");
                }
            };
        });
        Dragoman.function("digs", Void.class, Long.class, (in, ctx) -> dig(ctx));
        Dragoman.publish("floods", Void.class, Long.class, (in, ctx) -> taker -> new Thread(() -> flood(taker)).start());
        Dragoman.function("other_thread", Void.class, Long.class, (in, ctx) -> {
            Thread thread = new Thread(() -> {
                throw new IllegalStateException("in a thread");
            });
            thread.start();
            thread.join();
            return pid();
        });
        Dragoman.function("exits", Void.class, Void.class, (in, ctx) -> {
            System.exit(3);
            return null;
        });
        Dragoman.function("halts", Void.class, Void.class, (in, ctx) -> {
            Runtime.getRuntime().halt(4);
            return null;
        });
        Dragoman.function("crashes", Void.class, Long.class, (in, ctx) -> unsafe().getLong(8));
        Dragoman.function("out_of_memory", Void.class, Long.class, (in, ctx) -> {
            // More than any heap on this machine.
            return (long) new long[Integer.MAX_VALUE - 8].length + new long[Integer.MAX_VALUE - 8].length;
        });
        Dragoman.function("aborts", Void.class, Void.class, (in, ctx) -> signalled("ABRT"));
        Dragoman.function("stops_itself", Void.class, Void.class, (in, ctx) -> signalled("STOP"));
        Dragoman.function("stubborn", Void.class, Void.class, (in, ctx) -> {
            new ProcessBuilder("sleep", System.getenv("MARK")).start();
            while (true) {
                try {
                    Thread.sleep(1000);
                } catch (InterruptedException error) {
                    continue;
                }
            }
        });
        Dragoman.function("spins", Void.class, Long.class, (in, ctx) -> {
            long count = 0;
            while (count >= 0) {
                count++;
            }
            return count;
        });
        Dragoman.function("prints", Number.class, String.class, (in, ctx) -> {
            String text = "x".repeat(1023);
            for (long line = 0; line < in.n(); line++) {
                System.out.println(text);
            }
            return "printed";
        });
        Dragoman.function("unserialisable", Void.class, Object.class, (in, ctx) -> Map.of("a", List.of(1, new Thread())));
        Dragoman.function("leaks", Void.class, Long.class, (in, ctx) -> {
            byte[] block = new byte[32 << 20];
            java.util.Arrays.fill(block, (byte) 1);
            HOARD.add(block);
            return pid();
        });
        Dragoman.function("nonsense", Void.class, Void.class, (in, ctx) -> nonsense());
    }

    private static long pid() {
        return ProcessHandle.current().pid();
    }

    private static Unsafe unsafe() throws ReflectiveOperationException {
        Field field = Unsafe.class.getDeclaredField("theUnsafe");
        field.setAccessible(true);
        return (Unsafe) field.get(null);
    }

    private static double area(Shape shape) {
        if (shape instanceof Circle) {
            double radius = ((Circle) shape).radius();
            return 3 * radius * radius;
        }
        return ((Square) shape).side() * ((Square) shape).side();
    }

    private static long overflow(long n) {
        return n < 0 ? 0 : 1 + overflow(n + 1);
    }

    private static long dig(Context context) {
        context.log("deeper");
        return dig(context) + 1;
    }

    /** Gives items until it is told to stop, however many were asked for. */
    private static void flood(Flow.Subscriber<? super Long> taker) {
        AtomicBoolean stopped = new AtomicBoolean();
        taker.onSubscribe(new Flow.Subscription() {
            @Override
            public void request(long count) {}

            @Override
            public void cancel() {
                stopped.set(true);
            }
        });
        for (long n = 0; !stopped.get(); n++) {
            taker.onNext(n);
        }
    }

    private static byte[] reversed(byte[] data) {
        byte[] turned = new byte[data.length];
        for (int at = 0; at < data.length; at++) {
            turned[data.length - 1 - at] = data[at];
        }
        return turned;
    }

    private static SubmissionPublisher<Long> published(long count) {
        SubmissionPublisher<Long> publisher = new SubmissionPublisher<>();
        CompletableFuture.runAsync(() -> {
            while (publisher.getNumberOfSubscribers() == 0) {
                Thread.onSpinWait();
            }
            for (long n = 0; n < count && publisher.hasSubscribers(); n++) {
                publisher.submit(n);
            }
            publisher.close();
        });
        return publisher;
    }

    private static List<Long> askMany(Number in, Context context) {
        List<CompletableFuture<Long>> asked = LongStream.range(0, in.n())
                .mapToObj(n -> context.callAsync("py.twice", new Number(n), Long.class))
                .collect(Collectors.toList());
        return asked.stream().map(CompletableFuture::join).collect(Collectors.toList());
    }

    private static Void signalled(String signal) throws Exception {
        new ProcessBuilder("kill", "-" + signal, Long.toString(pid())).start().waitFor();
        Thread.sleep(60_000);
        return null;
    }

    /** The wire is the only socket that a worker has. */
    private static Void nonsense() throws Exception {
        try (Stream<Path> found = Files.list(Path.of("/proc/self/fd"))) {
            for (Path each : found.collect(Collectors.toList())) {
                if (Files.isSymbolicLink(each) && Files.readSymbolicLink(each).toString().startsWith("socket:")) {
                    byte[] garbage = "GET / HTTP/1.1 and more than a header of it\r\n\r\n".getBytes();
                    Descriptor.adopt(Integer.parseInt(each.getFileName().toString())).write(garbage, garbage.length);
                }
            }
        }
        Thread.sleep(60_000);
        return null;
    }
}
