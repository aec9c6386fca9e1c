package dev.dragoman;

import dev.dragoman.internal.value.JsonWriter;
import dev.dragoman.internal.value.Mismatch;
import dev.dragoman.internal.value.MsgPackWriter;
import dev.dragoman.internal.value.Reader;
import dev.dragoman.internal.value.RecordShape;
import dev.dragoman.internal.value.Shape;
import dev.dragoman.internal.value.Shapes;
import dev.dragoman.internal.value.Writer;
import dev.dragoman.internal.wire.Frame;
import dev.dragoman.internal.wire.Live;
import dev.dragoman.internal.wire.Meta;
import dev.dragoman.internal.wire.Oversized;
import dev.dragoman.internal.wire.ProtocolFault;
import dev.dragoman.internal.wire.Report;
import java.lang.reflect.Type;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/** One call that this side made. What others read and write here is guarded by the line. */
final class Outgoing {
    private static final long GRACE_NANOS = 250_000_000;

    private final Line line;
    final String function;
    /** Null for raw bytes. */
    private final Shape output;

    private final boolean array;
    private final ArrayDeque<Frame> items = new ArrayDeque<>();
    private Live live;
    private long id;
    private Frame end;
    private Fault lost;
    private Thread reader;
    private Thread writer;
    private Runnable whenDone;
    private boolean dropped;
    private boolean cancelSent;
    /** When this side itself gives up, in nanoseconds; 0 never. */
    private long deadline;
    private Object inputStream;
    private Shape inputItems;

    Outgoing(Line line, String function, Type output) {
        this.line = line;
        this.function = function;
        this.output = output == ByteBuffer.class || output == byte[].class ? null : Shapes.of(output);
        array = output == byte[].class;
    }

    /** Has this side keep time too: somewhat longer than the host, whose fault says more. */
    void deadline(long at) {
        deadline = at == 0 ? 0 : at + GRACE_NANOS;
    }

    /** Sends the CALL. */
    void start(Object input, boolean stream, Meta meta, long amount) {
        Writer body = new MsgPackWriter();
        int codec = Frame.MSGPACK;
        int flags = stream ? Frame.STREAM : 0;
        try {
            Shape shape = input == null ? null : Shapes.ofInput(input instanceof Record ? Shapes.typeOf(input) : Object.class);
            if (shape instanceof RecordShape) {
                inputStream = ((RecordShape) shape).streamOfInput(input);
                if (inputStream != null) {
                    inputItems = ((RecordShape) shape).streamItems();
                    flags |= Frame.INPUT;
                }
            }
            if (shape == null) {
                body.beginObject(0);
                body.endObject();
            } else {
                try {
                    shape.write(input, body);
                } catch (Mismatch error) {
                    if (!error.codecOnly) {
                        throw error;
                    }
                    body = new JsonWriter();
                    codec = Frame.JSON;
                    shape.write(input, body);
                }
            }
        } catch (Mismatch error) {
            throw new Fault(Fault.Code.INVALID_ARGUMENT, function + " cannot be called: " + error.getMessage())
                    .with(error.path(), error.problem())
                    .with(Fault.Started.NO);
        } catch (IllegalArgumentException error) {
            throw new Fault(Fault.Code.INVALID_ARGUMENT, function + " cannot be called: " + error.getMessage())
                    .with(Fault.Started.NO);
        }
        if (inputStream != null && !line.connection.hello().features.contains("input")) {
            throw new Fault(Fault.Code.UNIMPLEMENTED, "this host takes no streams as input").with(Fault.Started.NO);
        }
        send(codec, flags, meta, amount, body);
    }

    private void send(int codec, int flags, Meta meta, long amount, Writer body) {
        byte[] entries;
        try {
            entries = meta.encode();
        } catch (IllegalArgumentException error) {
            throw new Fault(Fault.Code.INVALID_ARGUMENT, error.getMessage()).with(Fault.Started.NO);
        }
        synchronized (line) {
            if (!line.connection.canCall()) {
                throw new Fault(
                                line.connection.isOpen() ? Fault.Code.RESOURCE_EXHAUSTED : Fault.Code.UNAVAILABLE,
                                function + " cannot be called: too many calls are in flight, or the connection is closing")
                        .with(Fault.Started.NO);
            }
            id = line.nextCall();
            int both = codec | Frame.MSGPACK << 4;
            int size = body.sink.size;
            int region = line.region(body.sink.data, size);
            try {
                if (region < 0) {
                    live = line.connection.call(id, 0, flags, both, entries, amount, body.sink.data, 0, size);
                } else {
                    line.outArena.write(region, body.sink.data, 0, size);
                    live = line.connection.call(id, 0, flags, both, entries, amount, null, region >> 6, size);
                }
            } catch (Oversized error) {
                throw new Fault(Fault.Code.RESOURCE_EXHAUSTED, "the input is too large: " + error.getMessage())
                        .with(Fault.Started.NO);
            }
            live.owner = this;
        }
        line.flush();
    }

    // From the thread that reads, under the line's lock.

    void take(Frame frame) {
        if (frame.kind == Frame.CREDIT) {
            LockSupport.unpark(writer);
            return;
        }
        if (frame.kind == Frame.ITEM) {
            if (dropped) {
                if (frame.isSegment()) {
                    line.connection.release(frame.offset);
                }
                line.connection.consumed(live, frame.cost());
                return;
            }
            items.add(frame);
        } else {
            end = frame;
            if (dropped && frame.isSegment()) {
                line.connection.release(frame.offset);
            }
            settle();
        }
        LockSupport.unpark(reader);
    }

    private void settle() {
        LockSupport.unpark(writer);
        LockSupport.unpark(reader);
        if (whenDone != null) {
            whenDone.run();
        }
    }

    void lose(String why) {
        if (end == null && lost == null) {
            lost = new Fault(Fault.Code.UNAVAILABLE, "the connection was lost: " + why);
            settle();
        }
    }

    private boolean isOver() {
        return end != null || lost != null;
    }

    /** Gives the call up. */
    void cancel() {
        synchronized (line) {
            dropped = true;
            for (Frame frame : items) {
                if (frame.isSegment()) {
                    line.connection.release(frame.offset);
                }
            }
            items.clear();
            cancelByCaller();
            LockSupport.unpark(writer);
        }
        line.flush();
    }

    /** Gives the call up with the one that made it. Under the line's lock. */
    void cancelByCaller() {
        if (!isOver() && live != null && !cancelSent) {
            cancelSent = true;
            line.connection.cancel(id, false);
        }
    }

    // From the threads that call.

    /** Sends the items of the input, until there are no more or the call is over. */
    void pumpInput() {
        if (inputStream == null) {
            return;
        }
        Iterator<?> source = Items.of(inputStream);
        int index = 0;
        try {
            Writer json = null;
            Writer packed = new MsgPackWriter();
            while (source.hasNext()) {
                Object item = source.next();
                Writer body = packed;
                int codec = Frame.MSGPACK;
                body.sink.clear();
                body.restart();
                try {
                    inputItems.write(item, body);
                } catch (Mismatch error) {
                    if (!error.codecOnly) {
                        throw error;
                    }
                    json = new JsonWriter();
                    body = json;
                    codec = Frame.JSON;
                    inputItems.write(item, body);
                }
                index++;
                if (!sendItem(codec, body)) {
                    return;
                }
            }
            synchronized (line) {
                if (!isOver() && !live.inputClosed && line.connection.isOpen()) {
                    line.connection.endInput(live);
                }
            }
            line.flush();
        } catch (Mismatch error) {
            cancel();
            throw new Fault(Fault.Code.INVALID_ARGUMENT, "item " + index + " of the input: " + error.getMessage());
        } catch (RuntimeException error) {
            cancel();
            throw error;
        } finally {
            Items.close(source);
        }
    }

    private boolean sendItem(int codec, Writer body) {
        while (true) {
            synchronized (line) {
                if (isOver() || dropped || live.inputClosed) {
                    return false;
                }
                if (live.credit() > 0) {
                    try {
                        line.item(live, codec, body.sink.data, body.sink.size);
                    } catch (Oversized error) {
                        throw new Fault(Fault.Code.RESOURCE_EXHAUSTED, "an item is too large: " + error.getMessage());
                    }
                    break;
                }
                writer = Thread.currentThread();
            }
            park();
        }
        line.flushFully();
        return true;
    }

    private void park() {
        line.beforeWaiting();
        if (deadline == 0) {
            LockSupport.park(this);
        } else {
            long left = deadline - System.nanoTime();
            if (left <= 0) {
                cancel();
                throw new Fault(Fault.Code.DEADLINE_EXCEEDED, function + " did not answer in time");
            }
            LockSupport.parkNanos(this, left);
        }
        if (Thread.interrupted()) {
            cancel();
            Thread.currentThread().interrupt();
            throw new Fault(Fault.Code.CANCELLED, "interrupted while waiting for " + function);
        }
    }

    /** The next item, or the last frame. */
    private Frame await() {
        while (true) {
            synchronized (line) {
                Frame item = items.poll();
                if (item != null) {
                    line.connection.consumed(live, item.cost());
                    return item;
                }
                if (lost != null) {
                    throw lost;
                }
                if (end != null) {
                    return end;
                }
                reader = Thread.currentThread();
            }
            park();
        }
    }

    Object result() {
        Frame frame = await();
        if (frame.kind == Frame.ITEM) {
            cancel();
            throw new Fault(Fault.Code.UNIMPLEMENTED, function + " streams: call it for a stream");
        }
        return decode(frame);
    }

    private Object decode(Frame frame) {
        if (frame.kind == Frame.FAULT) {
            throw faultOf(frame);
        }
        byte[] body = line.bodyOf(frame);
        int codec = frame.codec;
        try {
            if (output == null) {
                byte[] bytes = body;
                if (codec == Frame.JSON || codec == Frame.MSGPACK) {
                    Reader from = Line.reader(codec, body);
                    bytes = from.readBytes();
                    from.finish();
                }
                return array ? bytes : ByteBuffer.wrap(bytes);
            }
            if (codec == Frame.NONE) {
                throw new Mismatch("no value");
            }
            Reader from = Line.reader(codec, body);
            Object value = output.read(from);
            from.finish();
            return value;
        } catch (Mismatch error) {
            throw new Fault(Fault.Code.DATA_LOSS, "the reply of " + function + " cannot be read: " + error.getMessage());
        }
    }

    private Fault faultOf(Frame frame) {
        Report.Fault said;
        try {
            said = Report.readFault(frame.body);
        } catch (ProtocolFault error) {
            return new Fault(Fault.Code.DATA_LOSS, "the fault of " + function + " cannot be read: " + error.getMessage());
        }
        return faultOf(said);
    }

    static Fault faultOf(Report.Fault said) {
        Fault.Code code = Fault.Code.UNKNOWN;
        for (Fault.Code each : Fault.Code.values()) {
            code = each.name().equals(said.code) ? each : code;
        }
        Fault.Started started = said.started.equals("no")
                ? Fault.Started.NO
                : said.started.equals("yes") ? Fault.Started.YES : Fault.Started.UNKNOWN;
        Fault fault = new Fault(code, said.detail).with(started);
        for (int at = 0; at < said.errors.size(); at += 2) {
            fault = fault.with(said.errors.get(at), said.errors.get(at + 1));
        }
        if (said.retryAfter >= 0 && said.retryAfter < 1e9) {
            fault = fault.retryAfter(Duration.ofNanos((long) (said.retryAfter * 1e9)));
        }
        return fault;
    }

    /** Sends the input in a thread of its own, for callers that go on meanwhile. */
    void pumpAside() {
        if (inputStream == null) {
            return;
        }
        Thread pump = new Thread(() -> {
            try {
                pumpInput();
            } catch (RuntimeException error) {
                synchronized (line) {
                    if (!isOver()) {
                        lost = error instanceof Fault
                                ? (Fault) error
                                : new Fault(Fault.Code.CANCELLED, "the input failed: " + error, error);
                        settle();
                    }
                }
            }
        });
        pump.setName("dragoman-input-" + function);
        pump.setDaemon(true);
        pump.start();
    }

    /** A future of the result; cancelling it cancels the call. */
    @SuppressWarnings("unchecked")
    <O> CompletableFuture<O> future() {
        Future<O> future = new Future<>(this);
        Runnable done = () -> Async.POOL.execute(() -> {
            try {
                future.complete((O) result());
            } catch (Throwable error) {
                future.completeExceptionally(error);
            }
        });
        boolean over;
        synchronized (line) {
            over = isOver();
            whenDone = done;
        }
        if (over) {
            done.run();
        }
        return future;
    }

    private static final class Future<O> extends CompletableFuture<O> {
        private final Outgoing call;

        Future(Outgoing call) {
            this.call = call;
        }

        @Override
        public boolean cancel(boolean mayInterrupt) {
            boolean done = super.cancel(mayInterrupt);
            if (done) {
                call.cancel();
            }
            return done;
        }
    }

    /** Where futures are completed: whatever hangs on them must not run in the thread that reads the wire. */
    private static final class Async {
        static final java.util.concurrent.Executor POOL = java.util.concurrent.ForkJoinPool.commonPool();
    }

    /** The items as they come. */
    @SuppressWarnings("unchecked")
    <T> Stream<T> stream() {
        Iterator<T> each = new Iterator<>() {
            private Object next;
            private boolean has;
            private boolean over;

            @Override
            public boolean hasNext() {
                if (has || over) {
                    return has;
                }
                Frame frame;
                try {
                    frame = await();
                    over = frame.kind != Frame.ITEM;
                    // A function that does not stream answers with one reply: a stream of one.
                    boolean empty = over && frame.kind == Frame.END && frame.bodySize() == 0;
                    if (!empty) {
                        next = decode(frame);
                        has = true;
                    }
                } catch (RuntimeException error) {
                    over = true;
                    throw error;
                }
                line.flush();
                return has;
            }

            @Override
            public T next() {
                if (!hasNext()) {
                    throw new NoSuchElementException();
                }
                has = false;
                return (T) next;
            }
        };
        Stream<T> stream =
                StreamSupport.stream(Spliterators.spliteratorUnknownSize(each, Spliterator.ORDERED), false);
        return stream.onClose(this::cancel);
    }

    /** Milliseconds for CALL's `amount`: at least 1 where there is a limit, and at most what both allow. */
    static long amount(Duration timeout, long deadline) {
        List<Long> limits = new ArrayList<>();
        if (timeout != null) {
            limits.add(timeout.toMillis());
        }
        if (deadline != 0) {
            limits.add((deadline - System.nanoTime()) / 1_000_000);
        }
        long least = 0xFFFFFFFFL;
        for (long each : limits) {
            least = Math.min(least, Math.max(1, each));
        }
        return limits.isEmpty() ? 0 : least;
    }
}
