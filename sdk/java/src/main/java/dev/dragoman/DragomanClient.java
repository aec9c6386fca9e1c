package dev.dragoman;

import dev.dragoman.internal.io.TlsSocket;
import dev.dragoman.internal.io.Transport;
import dev.dragoman.internal.io.UnixSocket;
import dev.dragoman.internal.wire.Meta;
import java.io.IOException;
import java.lang.reflect.Type;
import java.nio.file.Path;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;
import javax.net.ssl.SSLContext;

/**
 * A program that calls functions, over one connection that any number of threads share. Where it is lost, the calls in
 * flight fail with {@code UNAVAILABLE}, and the next call connects anew.
 *
 * <pre>{@code
 * try (DragomanClient client = DragomanClient.dial("unix:///run/shop.sock")) {
 *     Output output = client.call("stats.correlation", new Input(rows), Output.class);
 * }
 * }</pre>
 */
public final class DragomanClient implements Caller, AutoCloseable {
    private static final long GREETING_MS_MAX = 10_000;
    /** Pauses between attempts to connect double from the first to the last of these. */
    private static final long PAUSE_MS_MIN = 20;

    private static final long PAUSE_MS_MAX = 2_000;

    private final String address;
    private final ClientOptions options;
    private final Object connecting = new Object();
    private volatile Session session;
    private volatile boolean closed;
    private HostProcess child;

    private DragomanClient(String address, ClientOptions options) {
        this.address = address;
        this.options = options;
    }

    /** Connects to {@code unix:///path} or {@code tcp+tls://host:port}. Fails with {@link Fault}. */
    public static DragomanClient dial(String address) {
        return dial(address, ClientOptions.DEFAULT);
    }

    /** Connects to {@code unix:///path} or {@code tcp+tls://host:port}. Fails with {@link Fault}. */
    public static DragomanClient dial(String address, ClientOptions options) {
        DragomanClient client = new DragomanClient(address, options);
        client.session = client.connect();
        return client;
    }

    /**
     * Starts a host for a project (a folder, or one source), as a child of this process that ends with it, waits until it
     * is ready, and connects. {@code dragoman} is found by the environment variable DRAGOMAN, or on the PATH.
     */
    public static DragomanClient open(Path project, String... arguments) {
        HostProcess child = HostProcess.start(project, List.of(arguments));
        try {
            DragomanClient client = dial(child.address());
            client.child = child;
            return client;
        } catch (RuntimeException error) {
            child.close();
            throw error;
        }
    }

    private Session connect() {
        Session made = new Session(transport(), options.token);
        try {
            made.greeted.get(GREETING_MS_MAX, TimeUnit.MILLISECONDS);
            return made;
        } catch (ExecutionException error) {
            made.close();
            throw (Fault) error.getCause();
        } catch (TimeoutException error) {
            made.close();
            throw Fault.unavailable("the host at " + address + " did not greet in time").with(Fault.Started.NO);
        } catch (InterruptedException error) {
            made.close();
            Thread.currentThread().interrupt();
            throw new Fault(Fault.Code.CANCELLED, "interrupted while connecting").with(Fault.Started.NO);
        }
    }

    private Transport transport() {
        try {
            if (address.startsWith("unix:///")) {
                return new UnixSocket(Path.of(address.substring("unix://".length())));
            }
            if (address.startsWith("tcp+tls://")) {
                String place = address.substring("tcp+tls://".length());
                int colon = place.lastIndexOf(':');
                int port = Integer.parseInt(place.substring(colon + 1));
                String host = place.substring(0, colon).replaceAll("^\\[|\\]$", "");
                return new TlsSocket(host, port, options.tls == null ? SSLContext.getDefault() : options.tls);
            }
        } catch (IOException error) {
            throw new Fault(Fault.Code.UNAVAILABLE, "no host at " + address + ": " + error.getMessage(), error)
                    .with(Fault.Started.NO);
        } catch (NumberFormatException | IndexOutOfBoundsException error) {
            // Said below.
        } catch (NoSuchAlgorithmException error) {
            throw new IllegalStateException(error);
        }
        throw Fault.invalidArgument("an address is unix:///path or tcp+tls://host:port, not " + address);
    }

    /** The open connection; a new one where it is lost or the host has said DRAIN. */
    private Session session(long deadline) {
        Session known = session;
        if (known != null && known.isOpen()) {
            return known;
        }
        long until = System.nanoTime() + options.patience.toNanos();
        if (deadline != 0) {
            until = Math.min(until, deadline);
        }
        synchronized (connecting) {
            long pause = PAUSE_MS_MIN;
            while (true) {
                if (closed) {
                    throw Fault.failedPrecondition("this client is closed").with(Fault.Started.NO);
                }
                known = session;
                if (known != null && known.isOpen()) {
                    return known;
                }
                try {
                    session = connect();
                    continue;
                } catch (Fault fault) {
                    long rest = ThreadLocalRandom.current().nextLong(pause / 2, pause + 1);
                    long left = (until - System.nanoTime()) / 1_000_000;
                    if (fault.code() != Fault.Code.UNAVAILABLE || left < rest) {
                        throw fault;
                    }
                    pause(rest);
                    pause = Math.min(pause * 2, PAUSE_MS_MAX);
                }
            }
        }
    }

    private void pause(long ms) {
        try {
            connecting.wait(ms);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
            throw new Fault(Fault.Code.CANCELLED, "interrupted while connecting").with(Fault.Started.NO);
        }
    }

    private Outgoing start(String function, Object input, Type output, CallOptions said, boolean stream) {
        long deadline = said.timeout == null ? 0 : System.nanoTime() + said.timeout.toNanos();
        if (said.timeout != null && (said.timeout.isNegative() || said.timeout.isZero())) {
            throw new Fault(Fault.Code.DEADLINE_EXCEEDED, "no time is left for " + function).with(Fault.Started.NO);
        }
        Meta meta = new Meta(Trace.parse(said.traceparent), said.tracestate, said.callId, function, 0);
        while (true) {
            Session open = session(deadline);
            Outgoing made = new Outgoing(open, function, output);
            made.deadline(deadline);
            open.expect(made);
            try {
                made.start(input, stream, meta, Outgoing.amount(null, deadline));
            } catch (Fault fault) {
                open.forget(made);
                if (fault.code() == Fault.Code.UNAVAILABLE && !open.isOpen() && !closed) {
                    continue; // it was lost or drained just now, before the call went out
                }
                throw fault;
            }
            return made;
        }
    }

    @Override
    @SuppressWarnings("unchecked")
    public <O> O call(String function, Object input, Type output, CallOptions said) {
        Outgoing made = start(function, input, output, said, false);
        made.pumpInput();
        return (O) made.result();
    }

    @Override
    public <O> CompletableFuture<O> callAsync(String function, Object input, Type output, CallOptions said) {
        Outgoing made = start(function, input, output, said, false);
        made.pumpAside();
        return made.future();
    }

    @Override
    public <T> Stream<T> stream(String function, Object input, Type item, CallOptions said) {
        Outgoing made = start(function, input, item, said, true);
        made.pumpAside();
        return made.stream();
    }

    /** The contracts of the project's functions, as {@code GET /v1/functions} tells them. */
    @SuppressWarnings("unchecked")
    public List<Map<String, Object>> functions() {
        CallOptions patient = CallOptions.timeout(Duration.ofSeconds(30));
        Map<String, Object> all = call("dragoman.functions", Map.of(), (Type) Object.class, patient);
        return (List<Map<String, Object>>) all.get("functions");
    }

    /** Says goodbye to the host; ends it, if this client has started it. Calls in flight are given up. */
    @Override
    public void close() {
        closed = true;
        Session known = session;
        if (known != null) {
            known.close();
        }
        if (child != null) {
            child.close();
        }
    }
}
