package dev.dragoman;

import dev.dragoman.internal.value.Json;
import dev.dragoman.internal.wire.Connection;
import dev.dragoman.internal.wire.Frame;
import dev.dragoman.internal.wire.Live;
import dev.dragoman.internal.wire.Meta;
import dev.dragoman.internal.wire.Report;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** The host's side of a client's connection, written from the specification: it answers as the function's name says. */
final class FakeHost implements AutoCloseable {
    final Path path;
    final BlockingQueue<String> seen = new LinkedBlockingQueue<>();
    private final Path folder;
    private ServerSocketChannel listener;
    volatile boolean refuses;
    private volatile SocketChannel channel;
    private volatile Connection connection;

    FakeHost() throws Exception {
        folder = Files.createTempDirectory("fake-host");
        path = folder.resolve("sock");
        listen();
    }

    String address() {
        return "unix://" + path;
    }

    void listen() throws Exception {
        listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        listener.bind(UnixDomainSocketAddress.of(path));
        Thread thread = new Thread(() -> {
            try {
                while (true) {
                    serve(listener.accept());
                }
            } catch (Exception error) {
                seen.add("stopped");
            }
        });
        thread.setDaemon(true);
        thread.start();
    }

    /** Goes away: nobody listens any more, and the client's connection is cut. */
    void vanish() throws Exception {
        listener.close();
        Files.deleteIfExists(path);
        cut();
    }

    void cut() throws Exception {
        channel.close();
    }

    private void serve(SocketChannel accepted) {
        Connection made = new Connection(true, true, 0);
        channel = accepted;
        connection = made;
        Thread thread = new Thread(() -> {
            try (accepted) {
                talk(accepted, made);
            } catch (Exception error) {
                seen.add("gone");
                if (!(error instanceof java.io.IOException)) {
                    error.printStackTrace(System.out);
                }
            }
        });
        thread.setDaemon(true);
        thread.start();
    }

    private void talk(SocketChannel accepted, Connection made) throws Exception {
        made.hello(("{\"host\": \"fake\", \"versions\": [1, 1], \"service\": \"shop\", \"features\": [\"input\"],"
                        + " \"limits\": {\"credit_bytes\": 1000}}")
                .getBytes(StandardCharsets.UTF_8));
        if (refuses) {
            made.fault(0, Report.fault("UNAUTHENTICATED", "no token", "no"), 0, false);
        }
        write(accepted, made);
        ByteBuffer buffer = ByteBuffer.allocate(65536);
        List<Frame> frames = new ArrayList<>();
        while (accepted.read(buffer.clear()) >= 0) {
            synchronized (made) {
                made.receive(buffer.array(), 0, buffer.position(), frames);
                for (Frame frame : frames) {
                    take(made, frame);
                }
                frames.clear();
                write(accepted, made);
            }
        }
        seen.add("end");
    }

    private static synchronized void write(SocketChannel accepted, Connection made) throws Exception {
        ByteBuffer out = ByteBuffer.wrap(made.out.take());
        while (out.hasRemaining()) {
            accepted.write(out);
        }
    }

    private void take(Connection made, Frame frame) throws Exception {
        switch (frame.kind) {
            case Frame.PING:
                made.pong(frame.body);
                break;
            case Frame.CALL:
                seen.add("CALL " + Meta.decode(frame.meta).function);
                call(made, frame);
                break;
            case Frame.ITEM:
                frame.live.owner = (frame.live.owner == null ? 0L : (Long) frame.live.owner)
                        + (Long) ValuesTest.read(dev.dragoman.internal.value.Shapes.of(long.class), frame.body, false);
                made.consumed(frame.live, frame.cost());
                break;
            case Frame.END:
                reply(made, frame.call, frame.live.owner);
                break;
            case Frame.CREDIT:
                emit(made, frame.live);
                break;
            default:
                seen.add(Frame.nameOf(frame.kind));
                if (frame.kind == Frame.CANCEL) {
                    made.fault(frame.call, Report.fault("CANCELLED", "as asked", "yes"), 0, false);
                }
        }
    }

    private static void reply(Connection made, long call, Object value) throws Exception {
        byte[] body = Json.encode(value);
        made.end(call, Frame.JSON, body, 0, body.length, 5);
    }

    private void call(Connection made, Frame frame) throws Exception {
        Meta meta = Meta.decode(frame.meta);
        switch (meta.function) {
            case "test.echo":
                made.end(frame.call, frame.codec & 15, frame.body, 0, frame.body.length, 5);
                break;
            case "test.meta":
                reply(made, frame.call, Map.of(
                        "id", meta.callId, "trace", Trace.text(meta.trace), "state", meta.traceState, "amount", frame.amount));
                break;
            case "test.fault":
                Report.Fault fault = new Report.Fault();
                fault.code = "INVALID_ARGUMENT";
                fault.detail = "no lines";
                fault.started = "no";
                fault.errors = List.of("/lines", "must not be empty");
                fault.retryAfter = 1.5;
                made.fault(frame.call, Report.fault(fault), 0, false);
                break;
            case "test.count":
                frame.live.owner = 0L;
                emit(made, frame.live);
                break;
            case "test.sum":
            case "test.never":
                break;
            default:
                made.fault(frame.call, Report.fault("NOT_FOUND", "there is no " + meta.function, "no"), 0, false);
        }
    }

    /** A hundred items, as credit allows. */
    private void emit(Connection made, Live call) throws Exception {
        if (!call.streams || made.find(call.call) != call) {
            return;
        }
        long next = (Long) call.owner;
        while (next < 100 && call.credit() > 0) {
            byte[] body = Json.encode(next);
            made.item(call, Frame.JSON, body, 0, body.length);
            next++;
        }
        call.owner = next;
        if (next == 100) {
            made.end(call.call, Frame.NONE, Frame.EMPTY, 0, 0, 5);
        }
    }

    void drain() throws Exception {
        synchronized (connection) {
            connection.drain();
            write(channel, connection);
        }
    }

    void answerNever(long call) throws Exception {
        synchronized (connection) {
            reply(connection, call, "late");
            write(channel, connection);
        }
    }

    long firstCall() {
        return connection.live()[0].call;
    }

    /** Waits until something was seen. */
    void await(String what) throws Exception {
        for (String each = ""; !each.equals(what); ) {
            each = seen.poll(10, TimeUnit.SECONDS);
            Check.that(each != null, "never saw " + what);
        }
    }

    @Override
    public void close() throws java.io.IOException {
        listener.close();
        if (channel != null) {
            channel.close();
        }
        Files.deleteIfExists(path);
        Files.deleteIfExists(folder);
    }
}
