package dev.dragoman;

import dev.dragoman.internal.io.Transport;
import dev.dragoman.internal.wire.Connection;
import dev.dragoman.internal.wire.ProtocolFault;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/** A client against a host that is played here. */
public final class ClientTest {
    record Point(double x, double y) {}

    record Told(String id, String trace, String state, long amount) {}

    record Numbers(Stream<Long> numbers) {}

    private static final String TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    public void callsAreTyped() throws Exception {
        try (FakeHost host = new FakeHost(); DragomanClient client = DragomanClient.dial(host.address())) {
            Point point = client.call("test.echo", new Point(1.5, -2), Point.class);
            Check.equal(point, new Point(1.5, -2), "echo");
            Object map = client.call("test.echo", Map.of("a", List.of(1L)), Object.class);
            Check.equal(map, Map.of("a", List.of(1L)), "any value");
            List<Long> list = client.call("test.echo", List.of(1L, 2L), new TypeOf<List<Long>>() {});
            Check.equal(list, List.of(1L, 2L), "a type in angle brackets");
        }
    }

    public void deadlineTraceAndIdGoAlong() throws Exception {
        try (FakeHost host = new FakeHost(); DragomanClient client = DragomanClient.dial(host.address())) {
            CallOptions options =
                    CallOptions.timeout(Duration.ofSeconds(5)).withTrace(TRACE, "a=1").withCallId("order-7");
            Told told = client.call("test.meta", null, Told.class, options);
            Check.equal(told.id() + told.trace() + told.state(), "order-7" + TRACE + "a=1", "meta");
            Check.that(told.amount() > 4000 && told.amount() <= 5000, "amount " + told.amount());
            Check.equal(client.call("test.meta", null, Told.class).amount(), 0L, "no deadline");
        }
    }

    public void faultsAreTyped() throws Exception {
        try (FakeHost host = new FakeHost(); DragomanClient client = DragomanClient.dial(host.address())) {
            Fault fault = Check.thrown(Fault.class, () -> client.call("test.fault", null, Object.class));
            Check.equal(fault.code(), Fault.Code.INVALID_ARGUMENT, "code");
            Check.equal(fault.detail(), "no lines", "detail");
            Check.equal(fault.started(), Fault.Started.NO, "started");
            Check.equal(fault.errors(), List.of(new Fault.Breach("/lines", "must not be empty")), "errors");
            Check.equal(fault.retryAfter().get(), Duration.ofMillis(1500), "retry");
            Fault none = Check.thrown(Fault.class, () -> client.call("test.nothing", null, Object.class));
            Check.equal(none.code(), Fault.Code.NOT_FOUND, "code");
            Fault reply = Check.thrown(Fault.class, () -> client.call("test.echo", Map.of("x", 1), Point.class));
            Check.equal(reply.code(), Fault.Code.DATA_LOSS, "a reply of another type");
        }
    }

    public void streamsComeWithinTheirCredit() throws Exception {
        List<Long> wanted = LongStream.range(0, 100).boxed().collect(Collectors.toList());
        try (FakeHost host = new FakeHost(); DragomanClient client = DragomanClient.dial(host.address())) {
            try (Stream<Long> items = client.stream("test.count", null, Long.class)) {
                Check.equal(items.collect(Collectors.toList()), wanted, "items");
            }
            Collecting all = new Collecting();
            client.publish("test.count", null, Long.class, CallOptions.NONE).subscribe(all);
            Check.equal(all.items.get(10, TimeUnit.SECONDS), wanted, "published");
        }
    }

    private static final class Collecting implements Flow.Subscriber<Long> {
        final CompletableFuture<List<Long>> items = new CompletableFuture<>();
        private final List<Long> got = new ArrayList<>();
        private Flow.Subscription subscription;

        @Override
        public void onSubscribe(Flow.Subscription given) {
            subscription = given;
            given.request(1);
        }

        @Override
        public void onNext(Long item) {
            got.add(item);
            subscription.request(1);
        }

        @Override
        public void onError(Throwable error) {
            items.completeExceptionally(error);
        }

        @Override
        public void onComplete() {
            items.complete(got);
        }
    }

    public void aStreamThatIsClosedIsCancelled() throws Exception {
        try (FakeHost host = new FakeHost(); DragomanClient client = DragomanClient.dial(host.address())) {
            try (Stream<Long> items = client.stream("test.count", null, Long.class)) {
                Iterator<Long> each = items.iterator();
                Check.equal(each.next(), 0L, "first");
            }
            host.await("CANCEL");
            Check.equal(client.call("test.echo", new Point(1, 2), Point.class), new Point(1, 2), "goes on");
        }
    }

    public void inputsStream() throws Exception {
        try (FakeHost host = new FakeHost(); DragomanClient client = DragomanClient.dial(host.address())) {
            Stream<Long> numbers = LongStream.rangeClosed(1, 1000).boxed();
            Check.equal(client.call("test.sum", new Numbers(numbers), Long.class), 500_500L, "sum");
            Stream<Long> failing = Stream.of(1L).peek(number -> {
                throw new IllegalStateException("no more");
            });
            Check.thrown(IllegalStateException.class, () -> client.call("test.sum", new Numbers(failing), Long.class));
            host.await("CANCEL");
        }
    }

    public void aFutureThatIsCancelledCancelsItsCall() throws Exception {
        try (FakeHost host = new FakeHost(); DragomanClient client = DragomanClient.dial(host.address())) {
            CompletableFuture<Object> never = client.callAsync("test.never", null, Object.class);
            host.await("CALL test.never");
            never.cancel(true);
            host.await("CANCEL");
            CompletableFuture<Point> echo = client.callAsync("test.echo", new Point(1, 2), Point.class);
            Check.equal(echo.get(10, TimeUnit.SECONDS), new Point(1, 2), "echo");
            CompletableFuture<Object> fails = client.callAsync("test.fault", null, Object.class);
            ExecutionException error = Check.thrown(ExecutionException.class, () -> fails.get(10, TimeUnit.SECONDS));
            Check.that(error.getCause() instanceof Fault, "a fault");
        }
    }

    public void anInterruptGivesUpOneCallAndNotTheConnection() throws Exception {
        try (FakeHost host = new FakeHost(); DragomanClient client = DragomanClient.dial(host.address())) {
            CompletableFuture<Fault> ended = new CompletableFuture<>();
            Thread caller = new Thread(() -> {
                Fault fault = Check.thrown(Fault.class, () -> client.call("test.never", null, Object.class));
                Check.that(Thread.currentThread().isInterrupted(), "the status is kept");
                ended.complete(fault);
            });
            caller.start();
            host.await("CALL test.never");
            caller.interrupt();
            Check.equal(ended.get(10, TimeUnit.SECONDS).code(), Fault.Code.CANCELLED, "code");
            host.await("CANCEL");
            Thread.currentThread().interrupt();
            Check.thrown(Fault.class, () -> client.call("test.never", null, Object.class));
            Check.that(Thread.interrupted(), "the status is kept");
            Check.equal(client.call("test.echo", new Point(1, 2), Point.class), new Point(1, 2), "goes on");
        }
    }

    public void aDeadlineEndsAWaitEvenIfTheHostIsSilent() throws Exception {
        try (FakeHost host = new FakeHost(); DragomanClient client = DragomanClient.dial(host.address())) {
            CallOptions soon = CallOptions.timeout(Duration.ofMillis(50));
            Fault fault = Check.thrown(Fault.class, () -> client.call("test.never", null, Object.class, soon));
            Check.equal(fault.code(), Fault.Code.DEADLINE_EXCEEDED, "code");
            host.await("CANCEL");
        }
    }

    public void aLostConnectionFailsWhatWaitsAndIsMadeAnew() throws Exception {
        try (FakeHost host = new FakeHost(); DragomanClient client = DragomanClient.dial(host.address())) {
            CompletableFuture<Object> never = client.callAsync("test.never", null, Object.class);
            host.await("CALL test.never");
            host.vanish();
            ExecutionException error = Check.thrown(ExecutionException.class, () -> never.get(10, TimeUnit.SECONDS));
            Check.equal(((Fault) error.getCause()).code(), Fault.Code.UNAVAILABLE, "code");
            CompletableFuture<Point> later = CompletableFuture.supplyAsync(
                    () -> client.call("test.echo", new Point(3, 4), Point.class));
            host.listen();
            Check.equal(later.get(10, TimeUnit.SECONDS), new Point(3, 4), "after the host is back");
        }
    }

    public void aDrainedConnectionFinishesAndAnotherTakesOver() throws Exception {
        try (FakeHost host = new FakeHost(); DragomanClient client = DragomanClient.dial(host.address())) {
            CompletableFuture<Object> slow = client.callAsync("test.never", null, Object.class);
            host.await("CALL test.never");
            long call = host.firstCall();
            host.drain();
            host.answerNever(call);
            Check.equal(slow.get(10, TimeUnit.SECONDS), "late", "finished");
            host.await("BYE");
            Check.equal(client.call("test.echo", new Point(1, 2), Point.class), new Point(1, 2), "anew");
        }
    }

    public void aRefusalAtTheDoorIsSaid() throws Exception {
        try (FakeHost host = new FakeHost()) {
            host.refuses = true;
            Fault fault = Check.thrown(Fault.class, () -> DragomanClient.dial(host.address()));
            Check.equal(fault.code(), Fault.Code.UNAUTHENTICATED, "code");
        }
        Fault nobody = Check.thrown(Fault.class, () -> DragomanClient.dial("unix:///nowhere/at/all"));
        Check.equal(nobody.code(), Fault.Code.UNAVAILABLE, "code");
        for (String bad : List.of("http://x", "unix://relative", "tcp+tls://host", "tcp+tls://host:x", "")) {
            Check.equal(
                    Check.thrown(Fault.class, () -> DragomanClient.dial(bad)).code(), Fault.Code.INVALID_ARGUMENT, bad);
        }
    }

    /** A host that takes nothing until the client, having heard it out, waits for more. */
    private static final class Talker implements Transport {
        final CountDownLatch written = new CountDownLatch(1);
        private final CountDownLatch closed = new CountDownLatch(1);
        private final CountDownLatch heard = new CountDownLatch(1);
        private byte[] said;

        Talker() throws ProtocolFault {
            Connection host = new Connection(true, true, 0);
            host.hello("{\"host\": \"fake\", \"versions\": [1, 1], \"service\": \"shop\"}".getBytes(StandardCharsets.UTF_8));
            said = host.out.take();
        }

        @Override
        public int read(byte[] to) throws IOException {
            if (said != null) {
                int size = said.length;
                System.arraycopy(said, 0, to, 0, size);
                said = null;
                return size;
            }
            heard.countDown();
            await(closed);
            return -1;
        }

        @Override
        public void write(byte[] from, int size) throws IOException {
            await(heard);
            written.countDown();
        }

        @Override
        public void close() {
            closed.countDown();
        }

        private static void await(CountDownLatch latch) throws IOException {
            try {
                if (!latch.await(10, TimeUnit.SECONDS)) {
                    throw new IOException("each waits for the other");
                }
            } catch (InterruptedException error) {
                throw new IOException(error);
            }
        }
    }

    public void theReadingThreadNeverWaitsForAHostThatWaitsToBeRead() throws Exception {
        Talker host = new Talker();
        Session session = new Session(host, "");
        Check.that(host.written.await(20, TimeUnit.SECONDS), "the answer to its HELLO was written");
        session.close();
    }

    public void aClosedClientLeavesNoThread() throws Exception {
        try (FakeHost host = new FakeHost()) {
            Set<Thread> before = Thread.getAllStackTraces().keySet();
            List<Thread> own;
            try (DragomanClient client = DragomanClient.dial(host.address())) {
                client.call("test.echo", Map.of("x", 1L), Object.class);
                own = new ArrayList<>(Thread.getAllStackTraces().keySet());
                own.removeIf(thread -> before.contains(thread) || !thread.getName().startsWith("dragoman-client"));
                Check.equal(own.size(), 2, "a reader and a writer");
            }
            for (Thread thread : own) {
                thread.join(10_000);
                Check.that(!thread.isAlive(), thread.getName() + " ended");
            }
        }
    }

    public void manyThreadsShareAConnection() throws Exception {
        try (FakeHost host = new FakeHost(); DragomanClient client = DragomanClient.dial(host.address())) {
            CountDownLatch done = new CountDownLatch(8);
            List<Throwable> wrong = new ArrayList<>();
            for (int thread = 0; thread < 8; thread++) {
                int x = thread;
                new Thread(() -> {
                    try {
                        for (int y = 0; y < 300; y++) {
                            Check.equal(client.call("test.echo", new Point(x, y), Point.class), new Point(x, y), "echo");
                        }
                    } catch (Throwable error) {
                        synchronized (wrong) {
                            wrong.add(error);
                        }
                    }
                    done.countDown();
                }).start();
            }
            Check.that(done.await(30, TimeUnit.SECONDS), "all done");
            Check.that(wrong.isEmpty(), wrong.toString());
        }
    }

    public void aClosedClientSaysSo() throws Exception {
        try (FakeHost host = new FakeHost()) {
            DragomanClient client = DragomanClient.dial(host.address());
            client.close();
            host.await("BYE");
            Fault fault = Check.thrown(Fault.class, () -> client.call("test.echo", null, Object.class));
            Check.equal(fault.code(), Fault.Code.FAILED_PRECONDITION, "code");
        }
    }

    public void whatCannotBeSentIsSaidBeforeItIs() throws Exception {
        try (FakeHost host = new FakeHost(); DragomanClient client = DragomanClient.dial(host.address())) {
            for (Object bad : List.of(Map.of("x", new Thread()), Map.of(1L, "x"), Map.of("x", "\ud800"))) {
                Fault fault = Check.thrown(Fault.class, () -> client.call("test.echo", bad, Object.class));
                Check.equal(fault.code(), Fault.Code.INVALID_ARGUMENT, bad.toString());
            }
            Fault fault = Check.thrown(
                    Fault.class, () -> client.call("test.echo", Map.of("x", "y".repeat(70 << 20)), Object.class));
            Check.equal(fault.code(), Fault.Code.RESOURCE_EXHAUSTED, "size");
        }
    }
}
