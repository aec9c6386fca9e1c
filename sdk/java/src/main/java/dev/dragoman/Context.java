package dev.dragoman;

import dev.dragoman.internal.wire.Meta;
import dev.dragoman.internal.wire.ProtocolFault;
import dev.dragoman.internal.wire.Report;
import java.lang.reflect.Type;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;

/** A running call, as its function sees it. It may be used from any thread until the function returns. */
public final class Context implements Caller {
    /** Of reports that follow one another faster the last one waits: nobody sees more than a hundred a second. */
    private static final long PROGRESS_NANOS_MIN = 10_000_000;

    /** Frames of at least 16 bytes: more than reports and calls need, for a microsecond. */
    private static final int STACK_FRAMES = 500;

    private final Guest guest;
    private final Incoming call;
    private long progressAt;
    /** What was reported too soon after the report before it; null for nothing. */
    private Progress held;

    private record Progress(double share, String message) {}

    Context(Guest guest, Incoming call) {
        this.guest = guest;
        this.call = call;
        progressAt = System.nanoTime() - PROGRESS_NANOS_MIN;
    }

    /** How severe a line of the log is. */
    public enum Level {
        DEBUG,
        INFO,
        WARNING,
        ERROR
    }

    /** The id of this call, as it stands in logs and in the reply's `Dragoman-Call-Id`. */
    public String callId() {
        String given = call.meta().callId;
        return given.isEmpty() ? guest.publicId(call.id) : given;
    }

    /** The W3C `traceparent` of this call; empty where it is not traced. */
    public String traceparent() {
        return Trace.text(call.meta().trace);
    }

    /** The W3C `tracestate` beside it. */
    public String tracestate() {
        return call.meta().traceState;
    }

    /** What is left until the deadline, at least zero; empty where there is none. */
    public Optional<Duration> remaining() {
        if (call.deadline == 0) {
            return Optional.empty();
        }
        return Optional.of(Duration.ofNanos(Math.max(0, call.deadline - System.nanoTime())));
    }

    /** Whether the caller has given up or the time is up: stop soon. The thread is interrupted then, too. */
    public boolean cancelled() {
        return call.cause != Incoming.RUNNING_ON;
    }

    /** Writes a line to the log of this call, at level INFO. */
    public void log(String message) {
        log(Level.INFO, message, Map.of());
    }

    /** Writes a line to the log of this call; what JSON cannot say of the fields is written as text. */
    public void log(Level level, String message, Map<String, ?> fields) {
        needStack();
        guest.report(call.id, Report.log(message, level.name().toLowerCase(java.util.Locale.ROOT), fields));
    }

    /** Tells how far the call is: a share between 0 and 1, and a word about it. */
    public void progress(double share, String message) {
        needStack();
        synchronized (this) {
            long now = System.nanoTime();
            if (now - progressAt < PROGRESS_NANOS_MIN && share < 1) {
                held = new Progress(share, message);
                return;
            }
            progressAt = now;
            held = null;
        }
        guest.report(call.id, Report.progress(share, message));
    }

    /** Tells what was held back, if it was the last word, with the answer that follows. */
    void settle() {
        Progress last;
        synchronized (this) {
            last = held;
            held = null;
        }
        if (last != null) {
            guest.mention(call.id, Report.progress(last.share, last.message));
        }
    }

    /**
     * Memory that this worker shares with its host, for a function that returns bytes: what is written into it and
     * returned (the buffer itself, or a slice from its beginning) is not copied again. Ordinary memory where there is no room.
     */
    public ByteBuffer allocate(int size) {
        needStack();
        return guest.allocate(call, size);
    }

    /**
     * A function that calls itself without end runs out of its stack somewhere, and must not do so half-way through what
     * all calls share: it does so here instead.
     */
    private static void needStack() {
        touch(STACK_FRAMES);
    }

    private static int touch(int depth) {
        return depth == 0 ? 0 : touch(depth - 1) + 1;
    }

    private Outgoing start(String function, Object input, Type output, CallOptions options, boolean stream) {
        needStack();
        Meta mine = call.meta();
        byte[] trace = options.traceparent.isEmpty() ? mine.trace : Trace.parse(options.traceparent);
        String state = options.traceparent.isEmpty() ? mine.traceState : options.tracestate;
        String id = options.callId.isEmpty() ? callId() : options.callId;
        if (function.isEmpty()) {
            throw Fault.invalidArgument("a function is called by its full name: source.function");
        }
        Outgoing made = new Outgoing(guest, function, output);
        guest.began(call, made);
        made.start(
                input,
                stream,
                new Meta(trace, state, id, function, mine.depth + 1),
                Outgoing.amount(options.timeout, call.deadline));
        guest.checkCancelled(call, made);
        return made;
    }

    @Override
    @SuppressWarnings("unchecked")
    public <O> O call(String function, Object input, Type output, CallOptions options) {
        Outgoing made = start(function, input, output, options, false);
        made.pumpInput();
        return (O) made.result();
    }

    @Override
    public <O> CompletableFuture<O> callAsync(String function, Object input, Type output, CallOptions options) {
        Outgoing made = start(function, input, output, options, false);
        made.pumpAside();
        return made.future();
    }

    @Override
    public <T> Stream<T> stream(String function, Object input, Type item, CallOptions options) {
        Outgoing made = start(function, input, item, options, true);
        made.pumpAside();
        return made.stream();
    }

    static Meta metaOf(byte[] bytes) {
        try {
            return Meta.decode(bytes);
        } catch (ProtocolFault error) {
            return Meta.NONE; // the connection has checked it
        }
    }
}
