import dev.dragoman.CallOptions;
import dev.dragoman.ClientOptions;
import dev.dragoman.Dragoman;
import dev.dragoman.DragomanClient;
import dev.dragoman.Fault;
import java.math.BigInteger;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/** A program that calls functions: of a host that is there, or of a project that it hosts in a child. */
public final class Caller {
    record Pair(long a, long b) {}

    record Any<T>(T a, T b) {}

    record Blob(byte[] data) {}

    record Numbers(Stream<Long> numbers) {}

    private Caller() {}

    public static void main(String[] arguments) throws Exception {
        if (arguments[0].equals("open")) {
            try (DragomanClient project = Dragoman.open(Path.of(arguments[1]))) {
                System.out.println(project.call(arguments[2], null, Long.class));
                System.in.read();
            }
            return;
        }
        ClientOptions options = ClientOptions.DEFAULT;
        if (arguments.length > 1) {
            options = options.withAuthority(Path.of(arguments[1])).withToken(arguments[2]);
        }
        try (DragomanClient client = DragomanClient.dial(arguments[0], options)) {
            calls(client);
            streams(client);
        }
        System.out.println("done");
    }

    private static void check(Object actual, Object wanted) {
        if (!actual.equals(wanted)) {
            throw new AssertionError(actual + ", wanted " + wanted);
        }
    }

    private static Fault.Code code(Runnable call) {
        try {
            call.run();
        } catch (Fault fault) {
            return fault.code();
        }
        throw new AssertionError("no fault");
    }

    private static void calls(DragomanClient client) {
        check(client.call("fn.add", new Pair(1L << 40, 2), Long.class), (1L << 40) + 2);
        BigInteger big = BigInteger.ONE.shiftLeft(100);
        check(client.call("fn.add", new Any<>(big, BigInteger.ONE), BigInteger.class), big.add(BigInteger.ONE));
        check(client.call("fn.add", Map.of("a", big, "b", big.negate()), Object.class), 0L);
        check(code(() -> client.call("fn.add", new Any<>(big, big), Long.class)), Fault.Code.DATA_LOSS);
        check(code(() -> client.call("fn.add", new Any<>("a\ud800", "b"), Object.class)), Fault.Code.INVALID_ARGUMENT);
        check(code(() -> client.call("fn.add", new Any<>(new Thread(), 1), Object.class)), Fault.Code.INVALID_ARGUMENT);
        byte[] data = new byte[5_000_000];
        Arrays.fill(data, (byte) 7);
        check(Arrays.equals(client.call("fn.echo", new Blob(data), byte[].class), data), true);
        List<CompletableFuture<Long>> many = IntStream.range(0, 200)
                .mapToObj(n -> client.callAsync("fn.add", new Pair(n, n), Long.class))
                .collect(Collectors.toList());
        for (int n = 0; n < many.size(); n++) {
            check(many.get(n).join(), 2L * n);
        }
        check(code(() -> client.call("fn.boom", null, Object.class)), Fault.Code.UNKNOWN);
        check(code(() -> client.call("fn.nothing", null, Object.class)), Fault.Code.NOT_FOUND);
        check(code(() -> client.call("fn.add", Map.of("a", "x", "b", 1), Object.class)), Fault.Code.INVALID_ARGUMENT);
        CallOptions soon = CallOptions.timeout(Duration.ofMillis(200));
        Fault.Code late = code(() -> client.call("fn.nap", Map.of("seconds", 30), Object.class, soon));
        check(late, Fault.Code.DEADLINE_EXCEEDED);
        check(client.functions().isEmpty(), false);
    }

    private static void streams(DragomanClient client) {
        try (Stream<Integer> items = client.stream("fn.count", Map.of("n", 10_000), Integer.class)) {
            check(items.mapToInt(n -> n).sum(), 49_995_000);
        }
        try (Stream<Integer> items = client.stream("fn.count", Map.of("n", 1_000_000_000), Integer.class)) {
            Iterator<Integer> each = items.iterator();
            check(each.next(), 0);
            check(each.next(), 1);
        }
        Numbers endless = new Numbers(LongStream.iterate(1, n -> n + 1).boxed());
        check(client.call("fn.first", endless, Long.class), 1L);
        Numbers some = new Numbers(LongStream.range(0, 10_000).boxed());
        check(client.call("fn.total", some, Long.class), 49_995_000L);
        Numbers more = new Numbers(LongStream.range(0, 10_000).boxed());
        try (Stream<Long> items = client.stream("fn.doubled", more, Long.class)) {
            check(items.mapToLong(n -> n).sum(), 99_990_000L);
        }
        check(client.call("fn.add", new Pair(1, 1), Long.class), 2L);
    }
}
