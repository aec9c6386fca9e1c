package dev.dragoman;

import dev.dragoman.internal.value.JsonWriter;
import dev.dragoman.internal.value.Mismatch;
import dev.dragoman.internal.value.MsgPackWriter;
import dev.dragoman.internal.value.Reader;
import dev.dragoman.internal.value.RecordShape;
import dev.dragoman.internal.value.Shapes;
import dev.dragoman.internal.value.Writer;
import dev.dragoman.internal.wire.Frame;
import dev.dragoman.internal.wire.Oversized;
import dev.dragoman.internal.wire.Report;
import java.nio.ByteBuffer;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.concurrent.locks.LockSupport;

/** Where one member of the crew runs calls, one at a time: reads the input, runs the function, writes the answer. */
final class Desk {
    private static final byte[] NO_INPUT = {'{', '}'};

    private final Guest guest;
    private final JsonWriter json = new JsonWriter();
    private final MsgPackWriter msgpack = new MsgPackWriter();

    Desk(Guest guest) {
        this.guest = guest;
    }

    /** Runs a call that has begun, and answers it. */
    void run(Incoming call) {
        long began = System.nanoTime();
        call.beganAt = began;
        Report.Fault fault = null;
        try {
            fault = refusal(call, began);
            if (fault == null) {
                answer(call, began);
            }
        } catch (Refusal refused) {
            fault = refused.fault;
        } catch (Oversized error) {
            fault = Failure.of(Fault.Code.RESOURCE_EXHAUSTED, "the result is too large: " + error.getMessage(), "yes");
        } catch (OutOfMemoryError error) {
            // Whatever else runs here may have failed half-way: the host starts a fresh worker.
            Runtime.getRuntime().halt(3);
        } catch (Throwable error) {
            fault = stopped(call);
            if (fault == null) {
                fault = Failure.of(error);
            }
        }
        long took = System.nanoTime() - began;
        if (fault != null) {
            guest.answerFault(call, fault, took / 1000);
        }
        if (call.function != null) {
            call.function.average += (took - call.function.average) >> 3;
        }
        Thread.interrupted(); // a cancel that came late, or a status that the function left
    }

    /** A fault that ends a call, from within. */
    private static final class Refusal extends RuntimeException {
        private static final long serialVersionUID = 1L;

        final transient Report.Fault fault;

        Refusal(Report.Fault fault) {
            super(null, null, false, false);
            this.fault = fault;
        }
    }

    private static Report.Fault refusal(Incoming call, long now) {
        Registration function = call.function;
        Frame frame = call.frame;
        if (function == null) {
            return Failure.of(Fault.Code.NOT_FOUND, "this worker has no function number " + frame.function, "no");
        }
        if (call.deadline != 0 && call.deadline <= now) {
            return Failure.of(Fault.Code.DEADLINE_EXCEEDED, "the deadline passed before " + function.name + " began", "no");
        }
        String problem = null;
        int codec = frame.codec & 15;
        if (function.streaming && !frame.has(Frame.STREAM)) {
            problem = function.name + " streams: call it for a stream";
        } else if (frame.has(Frame.INPUT) && function.streamName().isEmpty()) {
            problem = function.name + " takes no stream as input";
        } else if (codec >= Frame.BYTES && function.rawInput == null) {
            problem = function.name + " takes JSON or MessagePack, not raw bytes";
        } else if (frame.codec >> 4 >= Frame.BYTES && function.rawOutput == null) {
            problem = function.name + " gives JSON or MessagePack, not raw bytes";
        }
        return problem == null ? null : Failure.of(Fault.Code.UNIMPLEMENTED, problem, "no");
    }

    /** Why a call that was asked to stop has failed; null if it was not asked. */
    private static Report.Fault stopped(Incoming call) {
        switch (call.cause) {
            case Incoming.CANCELLED:
                return Failure.of(Fault.Code.CANCELLED, "the call was cancelled", "yes");
            case Incoming.OUT_OF_TIME:
                return Failure.of(Fault.Code.DEADLINE_EXCEEDED, call.function.name + " ran past its deadline", "yes");
            case Incoming.DATA_LOST:
                return Failure.of(Fault.Code.DATA_LOSS, Guest.LOST, "yes");
            default:
                return null;
        }
    }

    private void answer(Incoming call, long began) throws Exception {
        Registration function = call.function;
        Object input = read(call);
        Context context = new Context(guest, call);
        int wanted = wanted(call);
        Object result;
        try {
            result = function.body.apply(input, context);
            if (function.streaming) {
                stream(call, result, wanted);
            }
        } finally {
            context.settle();
        }
        if (function.streaming) {
            settle(call, Frame.NONE, Frame.EMPTY, 0, 0, began);
            return;
        }
        if (wanted >= Frame.BYTES) {
            answerRaw(call, result, wanted, began);
            return;
        }
        Writer body = write(function, result, wanted, -1);
        settle(call, body == json ? Frame.JSON : Frame.MSGPACK, body.sink.data, 0, body.sink.size, began);
        body.sink.clear();
    }

    private static int wanted(Incoming call) {
        int wanted = call.frame.codec >> 4;
        int codec = call.frame.codec & 15;
        if (wanted != Frame.NONE) {
            return wanted;
        }
        return codec == Frame.NONE || codec >= Frame.BYTES && call.function.rawOutput == null ? Frame.JSON : codec;
    }

    // The input

    private Object read(Incoming call) {
        Registration function = call.function;
        int codec = call.frame.codec & 15;
        try {
            if (codec >= Frame.BYTES) {
                Object bytes = raw(call);
                return function.wholeInputIsBytes ? bytes : ((RecordShape) function.input).of(bytes);
            }
            byte[] body = codec == Frame.NONE ? NO_INPUT : guest.copyOf(call.frame);
            Reader reader = Line.reader(codec == Frame.NONE ? Frame.JSON : codec, body);
            Object input = readValue(call, reader);
            reader.finish();
            return input;
        } catch (Mismatch error) {
            throw new Refusal(Failure.breach(Fault.Code.INVALID_ARGUMENT, error.path(), error.problem(), "no"));
        }
    }

    private Object readValue(Incoming call, Reader reader) throws Mismatch {
        Registration function = call.function;
        if (function.input instanceof RecordShape) {
            RecordShape shape = (RecordShape) function.input;
            Object stream = call.items == null ? null : Shapes.streamOf(new Input(call, shape), shape.streamType());
            return shape.read(reader, stream);
        }
        if (function.input != null) {
            if (reader.peek() != Reader.OBJECT) {
                throw new Mismatch("the input must be an object");
            }
            return function.input.read(reader);
        }
        Object bytes = null;
        reader.beginObject();
        for (String key = reader.nextKey(); key != null; key = reader.nextKey()) {
            if (!function.wholeInputIsBytes || !key.equals("data")) {
                throw new Mismatch("is not known here").in(key);
            }
            bytes = reader.readBytes();
        }
        if (function.wholeInputIsBytes && bytes == null) {
            throw new Mismatch("is missing").in("data");
        }
        return bytes != null && function.rawInput == ByteBuffer.class ? ByteBuffer.wrap((byte[]) bytes) : bytes;
    }

    /** The body as it is: a view of shared memory where the function takes a buffer, which is its own until it returns. */
    private Object raw(Incoming call) {
        if (call.function.rawInput == byte[].class) {
            return guest.copyOf(call.frame);
        }
        if (call.frame.isSegment()) {
            return guest.inArena.slice(call.frame.offset, call.frame.size);
        }
        return ByteBuffer.wrap(call.frame.body);
    }

    /** The items of a call's input, as they come. */
    private final class Input implements Iterator<Object> {
        private final Incoming call;
        private final RecordShape shape;
        private int index;
        private Frame next;

        Input(Incoming call, RecordShape shape) {
            this.call = call;
            this.shape = shape;
        }

        @Override
        public boolean hasNext() {
            while (next == null) {
                synchronized (guest) {
                    if (call.cause != Incoming.RUNNING_ON) {
                        throw new Fault(Fault.Code.CANCELLED, "the call was stopped while it waited for input");
                    }
                    next = call.items.poll();
                    if (next != null) {
                        guest.connection.consumed(call.live, next.cost());
                        break;
                    }
                    if (call.inputEnded) {
                        return false;
                    }
                    call.inputWaiter = Thread.currentThread();
                }
                park(call);
            }
            return true;
        }

        @Override
        public Object next() {
            if (!hasNext()) {
                throw new NoSuchElementException();
            }
            Frame frame = next;
            next = null;
            guest.flush(); // the credit that it gave: what is done with the item may take long
            try {
                Reader reader = Line.reader(frame.codec, guest.bodyOf(frame));
                Object item = shape.streamItems().read(reader);
                reader.finish();
                index++;
                return item;
            } catch (Mismatch error) {
                String path = "/" + shape.streamName() + "/" + index + error.path();
                throw Fault.invalidArgument(path + ": " + error.problem()).with(path, error.problem());
            }
        }
    }

    private void park(Incoming call) {
        guest.beforeWaiting();
        LockSupport.park(call);
        if (Thread.interrupted() && call.cause == Incoming.RUNNING_ON) {
            Thread.currentThread().interrupt();
            throw new Fault(Fault.Code.CANCELLED, "interrupted while waiting");
        }
    }

    // The output

    /** The value in the wanted codec, or in JSON where that one cannot say it. */
    private Writer write(Registration function, Object value, int wanted, int index) {
        Writer body = wanted == Frame.MSGPACK ? msgpack : json;
        try {
            try {
                return write(function, value, body);
            } catch (Mismatch error) {
                if (!error.codecOnly) {
                    throw error;
                }
                return write(function, value, json);
            }
        } catch (Mismatch error) {
            String about = index < 0 ? "the result" : "item " + index;
            Report.Fault fault = Failure.breach(
                    Fault.Code.OUT_OF_RANGE, error.path(), about + " cannot be written: " + error.problem(), "yes");
            throw new Refusal(fault);
        } catch (ClassCastException | StackOverflowError error) {
            throw new Refusal(Failure.of(Fault.Code.OUT_OF_RANGE, "the result cannot be written: " + error, "yes"));
        }
    }

    private static Writer write(Registration function, Object value, Writer body) throws Mismatch {
        body.sink.clear();
        body.restart();
        function.output.write(value, body);
        return body;
    }

    private void settle(Incoming call, int codec, byte[] data, int from, int size, long began) {
        long micros = (System.nanoTime() - began) / 1000;
        synchronized (guest) {
            if (call.cause == Incoming.DATA_LOST) {
                throw new Refusal(stopped(call));
            }
            int region = guest.region(data, size);
            if (region >= 0) {
                guest.outArena.write(region, data, from, size);
                guest.connection.end(call.id, codec, null, region >> 6, size, micros);
            } else {
                guest.connection.end(call.id, codec, data, from, size, micros);
            }
            guest.finish(call);
            guest.leaveIfDone();
        }
    }

    private void answerRaw(Incoming call, Object result, int codec, long began) {
        if (result == null) {
            throw new Refusal(Failure.of(Fault.Code.OUT_OF_RANGE, "the result is null, which is no bytes", "yes"));
        }
        if (result instanceof byte[]) {
            byte[] bytes = (byte[]) result;
            settle(call, codec, bytes, 0, bytes.length, began);
            return;
        }
        ByteBuffer buffer = ((ByteBuffer) result).duplicate();
        if (settleShared(call, buffer, codec, began)) {
            return;
        }
        if (buffer.hasArray()) {
            settle(call, codec, buffer.array(), buffer.arrayOffset() + buffer.position(), buffer.remaining(), began);
        } else {
            byte[] bytes = new byte[buffer.remaining()];
            buffer.get(bytes);
            settle(call, codec, bytes, 0, bytes.length, began);
        }
    }

    /** Answers with memory that the function was given and has written into: there is nothing to copy. */
    private boolean settleShared(Incoming call, ByteBuffer buffer, int codec, long began) {
        synchronized (guest) {
            if (call.cause == Incoming.DATA_LOST) {
                throw new Refusal(stopped(call));
            }
            if (call.allocated == null || !buffer.isDirect() || buffer.remaining() == 0) {
                return false;
            }
            for (Object[] each : call.allocated) {
                int offset = (Integer) each[0];
                ByteBuffer whole = (ByteBuffer) each[1];
                int size = buffer.remaining();
                // The same memory, from its beginning: a probe byte tells, since no address can be asked for.
                if (size <= whole.capacity() && isStartOf(buffer, whole)) {
                    long micros = (System.nanoTime() - began) / 1000;
                    guest.connection.end(call.id, codec, null, offset >> 6, size, micros);
                    call.allocated.remove(each);
                    guest.finish(call);
                    guest.leaveIfDone();
                    return true;
                }
            }
            return false;
        }
    }

    private static boolean isStartOf(ByteBuffer buffer, ByteBuffer whole) {
        if (buffer.isReadOnly()) {
            return false;
        }
        byte kept = whole.get(0);
        byte probe = (byte) ~kept;
        int at = buffer.position();
        boolean same = buffer.get(at) == kept;
        if (same) {
            whole.put(0, probe);
            same = buffer.get(at) == probe;
            whole.put(0, kept);
        }
        return same;
    }

    private void stream(Incoming call, Object result, int codec) throws Exception {
        if (result == null) {
            throw new Refusal(Failure.of(Fault.Code.OUT_OF_RANGE, "the function returned null in place of a stream", "yes"));
        }
        Iterator<?> items = Items.of(result);
        int index = 0;
        try {
            while (items.hasNext()) {
                Writer body = write(call.function, items.next(), codec, index++);
                send(call, body == json ? Frame.JSON : Frame.MSGPACK, body);
            }
        } finally {
            Thread.interrupted();
            Items.close(items);
        }
    }

    private void send(Incoming call, int codec, Writer body) {
        while (true) {
            synchronized (guest) {
                if (call.cause != Incoming.RUNNING_ON) {
                    throw new Refusal(stopped(call));
                }
                if (call.live.credit() > 0) {
                    guest.item(call.live, codec, body.sink.data, body.sink.size);
                    break;
                }
                call.creditWaiter = Thread.currentThread();
            }
            park(call);
        }
        guest.flush();
    }
}
