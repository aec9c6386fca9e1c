package dev.dragoman;

import dev.dragoman.internal.io.Arena;
import dev.dragoman.internal.io.Transport;
import dev.dragoman.internal.value.Json;
import dev.dragoman.internal.wire.Connection;
import dev.dragoman.internal.wire.Frame;
import dev.dragoman.internal.wire.ProtocolFault;
import dev.dragoman.internal.wire.Report;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;

/**
 * A worker. The thread that reads the wire runs the calls that it reads, one after the other, so that a short call costs
 * no hand-over between threads. Where a function takes long or waits for something, the watcher (or the wait itself)
 * lets another thread of the crew read, and the first one becomes an ordinary member when its function returns.
 */
final class Guest extends Line {
    /** A function that waits for something after so long no longer keeps its thread as the one that reads. */
    private static final long TICK_NANOS = 2_000_000;
    /** Nor does one that still computes after this; on a busy machine its thread may just not have had its turn. */
    private static final long COMPUTING_NANOS = 10_000_000;
    /** The watcher sleeps deeply after so many ticks without any call. */
    private static final int QUIET_TICKS = 50;
    /** Functions that take longer on average are given to another thread at once, where several may run. */
    private static final long SLOW_NANOS = 200_000;
    /** Replies wait for the end of a batch, but not for a function that takes longer than this. */
    private static final long FLUSH_NANOS = 50_000;
    /** Members of the crew who have had nothing to do for so long leave it. */
    private static final long IDLE_MS = 10_000;

    private static final int LOG_BYTES = 64 * 1024;
    /** No deadline is nearer. */
    private static final long AWAKE = Long.MIN_VALUE;

    private final List<Registration> functions;
    private final String token;
    private final Surroundings surroundings;
    private final ArrayDeque<Incoming> queue = new ArrayDeque<>();
    private final ArrayList<Incoming> active = new ArrayList<>();
    private final List<Frame> frames = new ArrayList<>();
    private int concurrency = 1;
    private ByteBuffer page;
    private volatile boolean leaving;

    private Thread leader;
    private int members;
    private int idle;
    private int wakes;
    private boolean draining;

    /** When the reading thread began the function that it runs; 0 while it reads. */
    private volatile long inlineSince;

    /** When the watcher looks again by itself: a nearer deadline has to wake it. */
    private volatile long sleepsUntil = AWAKE;

    private volatile long begun;
    /** Whether any function runs. */
    private volatile boolean runs;

    private Thread watcher;

    Guest(Transport transport, List<Registration> functions, String token, Surroundings surroundings) {
        super(transport, new Connection(false, false, arenaBytes(surroundings)));
        this.functions = functions;
        this.token = token;
        this.surroundings = surroundings;
    }

    private static long arenaBytes(Surroundings surroundings) {
        boolean both = surroundings.arenaIn >= 0 && surroundings.arenaOut >= 0;
        return both && Arena.sizeOf(surroundings.arenaOut) > 0 ? Arena.sizeOf(surroundings.arenaIn) : 0;
    }

    // The start

    /** Serves until it is over; the process's exit code. `problem` is why it cannot start, or null. */
    int serve(String problem, String traceback) {
        try {
            if (!greet(problem, traceback)) {
                return 1;
            }
        } catch (ProtocolFault fault) {
            return 1;
        } catch (IOException error) {
            return 1;
        }
        synchronized (this) {
            leader = Thread.currentThread();
            members = 1;
        }
        watcher = new Thread(this::watch, "dragoman-watcher");
        watcher.setDaemon(true);
        watcher.start();
        Desk desk = new Desk(this);
        lead(desk);
        crew(desk);
        // This member has left the crew; its thread waits for the end of the process.
        while (true) {
            LockSupport.park();
            Thread.interrupted();
        }
    }

    private boolean greet(String problem, String traceback) throws IOException, ProtocolFault {
        while (connection.hello() == null) {
            int count = transport.read(input);
            if (count < 0) {
                return false;
            }
            try {
                connection.receive(input, 0, count, frames);
            } catch (ProtocolFault fault) {
                if (connection.phase() == Connection.GREETING) {
                    boolean version = connection.hello() != null && connection.hello().lowest > 1;
                    refuse(
                            version ? Fault.Code.FAILED_PRECONDITION : Fault.Code.INTERNAL,
                            fault.reason + ": " + fault.getMessage(),
                            "");
                }
                throw fault;
            }
        }
        if (connection.phase() != Connection.GREETING) {
            return false;
        }
        frames.clear();
        concurrency = connection.hello().concurrency;
        if (problem != null) {
            refuse(Fault.Code.FAILED_PRECONDITION, problem, traceback == null ? "" : traceback);
            return false;
        }
        byte[] ready;
        List<String> features = new ArrayList<>(List.of("revoke"));
        if (surroundings.progress >= 0) {
            features.add("progress");
        }
        if (arenaBytes(surroundings) > 0) {
            features.add("segments");
        }
        ready = ready(functions, token, features);
        if (ready.length > 16 << 20) {
            refuse(Fault.Code.FAILED_PRECONDITION, "a manifest of " + ready.length + " bytes; 16 MiB travel at most", "");
            return false;
        }
        connection.ready(ready, features);
        flush();
        // After READY, while the host looks for a first call: mapping loads what a start need not wait for.
        if (surroundings.progress >= 0) {
            page = Arena.map(surroundings.progress, true, 4096);
        }
        return true;
    }

    static byte[] ready(List<Registration> functions, String token, List<String> features) {
        Map<String, Object> body = new LinkedHashMap<>();
        if (token != null) {
            body.put("token", token);
        }
        body.put("version", 1);
        body.put("language", "java");
        body.put("language_version", System.getProperty("java.version", ""));
        body.put("library", "dragoman/" + Dragoman.VERSION);
        body.put("features", features);
        List<Object> manifest = new ArrayList<>();
        for (Registration each : functions) {
            manifest.add(each.manifest());
        }
        body.put("functions", manifest);
        return Json.write(body);
    }

    private void refuse(Fault.Code code, String detail, String traceback) {
        Report.Fault fault = Failure.of(code, detail, "no");
        fault.traceback = traceback;
        connection.fault(0, Report.fault(fault), 0, false);
        flush();
    }

    /** Ends the process without a word to user code: the host is gone, or nothing more can be said to it. */
    private void halt() {
        while (connection.phase() == Connection.LEFT && leaving) {
            LockSupport.park(); // another thread ends the process in good order
        }
        Runtime.getRuntime().halt(1);
    }

    @Override
    void onLost(String why) {
        halt();
    }

    // The crew

    private void crew(Desk desk) {
        while (true) {
            Incoming call = null;
            synchronized (this) {
                while (leader != null && (call = take()) == null) {
                    if (!rest()) {
                        members--;
                        return;
                    }
                }
                if (leader == null && call == null) {
                    leader = Thread.currentThread();
                }
            }
            if (call == null) {
                lead(desk);
                continue;
            }
            while (call != null) {
                if (call.deadline != 0 && call.deadline < sleepsUntil) {
                    LockSupport.unpark(watcher);
                }
                desk.run(call);
                // However quick the next one was so far: nobody else would send this answer while it runs.
                flush();
                synchronized (this) {
                    call = take();
                }
            }
        }
    }

    /** The next call for this member, and another member for the one behind it if the reader will not run that. */
    private Incoming take() {
        Incoming call = next();
        if (call != null && runnable() && (inlineSince == 0 || isSlow(queue.peek()))) {
            wake();
        }
        return call;
    }

    /** Waits for something to do; false if there was nothing for long. Under the lock. */
    private boolean rest() {
        idle++;
        long until = System.nanoTime() + IDLE_MS * 1_000_000;
        while (wakes == 0) {
            long left = (until - System.nanoTime()) / 1_000_000;
            if (left <= 0) {
                idle--;
                return idle < 1;
            }
            try {
                wait(left);
            } catch (InterruptedException error) {
                // A late interrupt of a call that is over.
            }
        }
        wakes--;
        return true;
    }

    /** Gets one more member to work. Under the lock. */
    private void wake() {
        if (idle > 0) {
            idle--;
            wakes++;
            notify();
        } else if (members <= concurrency + 1) {
            members++;
            Thread thread = new Thread(() -> crew(new Desk(this)), "dragoman-" + members);
            thread.setDaemon(true);
            thread.start();
        }
    }

    private boolean runnable() {
        return !queue.isEmpty() && active.size() < concurrency;
    }

    /** The next call, which begins now; null if none may. Under the lock. */
    private Incoming next() {
        if (!runnable()) {
            return null;
        }
        Incoming call = queue.poll();
        call.began = true;
        call.runner = Thread.currentThread();
        active.add(call);
        runs = true;
        if (page != null) {
            page.putLong(0, call.id);
        }
        begun++;
        return call;
    }

    /** Reads and runs until another thread has taken over. */
    private void lead(Desk desk) {
        if (!flushAsLeader()) {
            return;
        }
        while (true) {
            runInline(desk);
            if (!flushAsLeader()) {
                return;
            }
            int count;
            try {
                count = transport.read(input);
            } catch (IOException error) {
                count = -1;
            }
            if (count < 0) {
                halt();
            }
            receive(count);
        }
    }

    /** Runs what waits, for as long as this thread is the one that reads. */
    private void runInline(Desk desk) {
        while (true) {
            Incoming call;
            synchronized (this) {
                call = leader == Thread.currentThread() ? nextInline() : null;
            }
            if (call == null) {
                return;
            }
            if (call.function != null && call.function.average > FLUSH_NANOS) {
                flush();
            }
            if (sleepsUntil != AWAKE) {
                LockSupport.unpark(watcher);
            }
            desk.run(call);
        }
    }

    /** Writes what waits; the watcher lets another thread read if that takes long. False if it has. */
    private boolean flushAsLeader() {
        synchronized (this) {
            if (leader == Thread.currentThread()) {
                // Invariant: it is 0 whenever the leader reads, since two threads would read otherwise.
                inlineSince = System.nanoTime();
            }
        }
        if (connection.out.size > 0) {
            if (sleepsUntil != AWAKE) {
                LockSupport.unpark(watcher);
            }
            flush();
        }
        synchronized (this) {
            if (leader != Thread.currentThread()) {
                return false;
            }
            inlineSince = 0;
            return true;
        }
    }

    private Incoming nextInline() {
        Incoming head = queue.peek();
        if (concurrency > 1 && isSlow(head) && runnable()) {
            wake();
            return null;
        }
        Incoming call = next();
        if (call != null) {
            inlineSince = System.nanoTime();
        }
        return call;
    }

    private static boolean isSlow(Incoming call) {
        return call != null && call.function != null && call.function.average > SLOW_NANOS;
    }

    /** Lets another thread read, if this one does. Under the lock. */
    private void handOver() {
        leader = null;
        inlineSince = 0;
        wake();
    }

    @Override
    void beforeWaiting() {
        synchronized (this) {
            if (leader == Thread.currentThread()) {
                handOver();
            }
        }
        flush();
    }

    // The watcher

    private void watch() {
        int quiet = 0;
        long seen = -1;
        while (true) {
            long now = System.nanoTime();
            long nearest = Long.MAX_VALUE;
            boolean busy = inlineSince != 0;
            quiet = busy || begun != seen ? 0 : quiet + 1;
            if (quiet == 0 || runs) {
                seen = begun;
                nearest = look(now);
            }
            if (busy || quiet < QUIET_TICKS && nearest == Long.MAX_VALUE) {
                LockSupport.parkNanos(Math.min(TICK_NANOS, Math.max(1, nearest - now)));
                continue;
            }
            sleepsUntil = nearest;
            // Said before it is looked: a call that begins meanwhile is seen here, or sees this and wakes the watcher.
            if (inlineSince == 0 && begun == seen) {
                if (nearest == Long.MAX_VALUE) {
                    LockSupport.park();
                } else {
                    LockSupport.parkNanos(Math.max(1, nearest - System.nanoTime()));
                }
            }
            sleepsUntil = AWAKE;
            quiet = 0;
        }
    }

    /** Stops what is out of time, and relieves the reading thread of a long function; the nearest deadline. */
    private long look(long now) {
        long nearest = Long.MAX_VALUE;
        List<Incoming> late = null;
        synchronized (this) {
            long since = inlineSince;
            if (since != 0 && leader != null && now - since > TICK_NANOS) {
                boolean computes = leader.getState() == Thread.State.RUNNABLE;
                if (!computes || now - since > COMPUTING_NANOS) {
                    handOver();
                }
            }
            for (Incoming call : active) {
                if (call.deadline == 0 || call.cause != Incoming.RUNNING_ON) {
                    continue;
                }
                if (call.deadline <= now) {
                    late = late == null ? new ArrayList<>() : late;
                    late.add(call);
                } else {
                    nearest = Math.min(nearest, call.deadline);
                }
            }
            if (late != null) {
                for (Incoming call : late) {
                    stop(call, Incoming.OUT_OF_TIME);
                }
            }
        }
        if (late != null) {
            flush();
        }
        return nearest;
    }

    // What comes

    private void receive(int count) {
        String broken = null;
        synchronized (this) {
            try {
                connection.receive(input, 0, count, frames);
            } catch (ProtocolFault fault) {
                broken = fault.reason + ": " + fault.getMessage();
            }
            long now = System.nanoTime();
            for (int at = 0; at < frames.size(); at++) {
                take(frames.get(at), now);
            }
            frames.clear();
            if (broken != null && connection.isOpen()) {
                refuse(Fault.Code.INTERNAL, broken, "");
            }
        }
        if (broken != null) {
            flush();
            halt();
        }
    }

    private void take(Frame frame, long now) {
        switch (frame.kind) {
            case Frame.CALL:
                takeCall(frame, now);
                break;
            case Frame.ITEM:
            case Frame.END:
                takeItem(frame);
                break;
            case Frame.FAULT:
                if (frame.call == 0) {
                    halt();
                }
                takeItem(frame);
                break;
            case Frame.CANCEL:
                takeCancel(frame);
                break;
            case Frame.CREDIT:
                if (frame.live.made) {
                    ((Outgoing) frame.live.owner).take(frame);
                } else if (frame.live.owner != null) {
                    LockSupport.unpark(((Incoming) frame.live.owner).creditWaiter);
                }
                break;
            case Frame.PING:
                connection.pong(frame.body);
                break;
            case Frame.DRAIN:
                draining = true;
                leaveIfDone();
                break;
            case Frame.BYE:
                halt();
                break;
            case Frame.RELEASE:
                arenas();
                outArena.give((int) ByteBuffer.wrap(frame.body).order(java.nio.ByteOrder.LITTLE_ENDIAN).getLong());
                break;
            default:
                break;
        }
    }

    private void takeCall(Frame frame, long now) {
        if (frame.isSegment()) {
            arenas();
        }
        int index = frame.function;
        Registration function = index >= 0 && index < functions.size() ? functions.get(index) : null;
        Incoming call = new Incoming(frame, frame.live, function, now);
        frame.live.owner = call;
        queue.add(call);
    }

    /** A frame of a reply, or of an input. */
    private void takeItem(Frame frame) {
        if (frame.isSegment()) {
            arenas();
        }
        if (frame.live.made) {
            ((Outgoing) frame.live.owner).take(frame);
            return;
        }
        Incoming call = (Incoming) frame.live.owner;
        if (call.over) {
            if (frame.isSegment()) {
                connection.release(frame.offset);
            }
            return;
        }
        if (frame.kind == Frame.ITEM) {
            call.items.add(frame);
        } else {
            call.inputEnded = true;
        }
        LockSupport.unpark(call.inputWaiter);
    }

    private void takeCancel(Frame frame) {
        Incoming call = (Incoming) frame.live.owner;
        boolean revoke = frame.has(Frame.UNSTARTED);
        int cause = frame.live.spoiled ? Incoming.DATA_LOST : Incoming.CANCELLED;
        if (call == null || call.over) {
            return;
        }
        if (call.began) {
            if (!revoke) {
                stop(call, cause);
            }
            return;
        }
        queue.remove(call);
        drop(call);
        if (revoke) {
            answer(call, Failure.of(Fault.Code.ABORTED, "given back before it began", "no"), true);
        } else if (cause == Incoming.DATA_LOST) {
            answer(call, Failure.of(Fault.Code.DATA_LOSS, LOST, "no"), false);
        } else {
            answer(call, Failure.of(Fault.Code.CANCELLED, "the call was cancelled before it began", "no"), false);
        }
        leaveIfDone();
    }

    static final String LOST = "the input came with a checksum that does not match";

    /** Asks a running function to stop. Under the lock. */
    private void stop(Incoming call, int cause) {
        if (call.cause != Incoming.RUNNING_ON) {
            if (cause == Incoming.DATA_LOST) {
                call.cause = cause;
            }
            return;
        }
        call.cause = cause;
        if (call.runner != null) {
            call.runner.interrupt();
        }
        LockSupport.unpark(call.creditWaiter);
        LockSupport.unpark(call.inputWaiter);
        if (call.nested != null) {
            for (Outgoing each : call.nested) {
                each.cancelByCaller();
            }
        }
    }

    // What goes

    private void answer(Incoming call, Report.Fault fault, boolean unstarted) {
        long ran = call.began ? (System.nanoTime() - call.beganAt) / 1000 : 0;
        connection.fault(call.id, Report.fault(fault), ran, unstarted);
        call.over = true;
    }

    /** Gives back what a call borrowed. Under the lock. */
    private void drop(Incoming call) {
        if (call.items != null) {
            for (Frame item : call.items) {
                if (item.isSegment()) {
                    connection.release(item.offset);
                }
            }
            call.items.clear();
        }
        if (call.frame.isSegment()) {
            connection.release(call.frame.offset);
        }
    }

    /** Takes a call off the list of those that run, before its answer. Under the lock. */
    void finish(Incoming call) {
        active.remove(call);
        runs = !active.isEmpty();
        call.runner = null;
        call.over = true;
        drop(call);
        if (call.allocated != null) {
            for (Object[] each : call.allocated) {
                outArena.give((Integer) each[0]);
            }
            call.allocated = null;
        }
    }

    void answerFault(Incoming call, Report.Fault fault, long micros) {
        synchronized (this) {
            finish(call);
            connection.fault(call.id, Report.fault(fault), micros, false);
            leaveIfDone();
        }
    }

    /** Under the lock. */
    void leaveIfDone() {
        if (!draining || connection.taken() > 0 || connection.phase() != Connection.DRAINING) {
            return;
        }
        connection.bye();
        leaving = true;
        new Thread(
                        () -> {
                            flushToTheEnd();
                            System.exit(0);
                        },
                        "dragoman-leave")
                .start();
    }

    void report(long call, byte[] body) {
        boolean inline;
        synchronized (this) {
            if (!connection.isOpen()) {
                return;
            }
            connection.event(call, body);
            inline = leader == Thread.currentThread() && connection.out.size < LOG_BYTES;
        }
        if (!inline) {
            flushFully();
        }
    }

    /** An event that leaves with what follows it. */
    void mention(long call, byte[] body) {
        synchronized (this) {
            if (connection.isOpen()) {
                connection.event(call, body);
            }
        }
    }

    String publicId(long call) {
        String digits = Long.toHexString(call);
        return connection.hello().callPrefix + "0".repeat(Math.max(0, 8 - digits.length())) + digits;
    }

    void began(Incoming call, Outgoing made) {
        synchronized (this) {
            call.asks(made);
        }
    }

    /** A call that was made while its caller was cancelled is cancelled too. */
    void checkCancelled(Incoming call, Outgoing made) {
        if (call.cause != Incoming.RUNNING_ON) {
            made.cancel();
        }
    }

    // Shared memory

    /** Maps the arenas, when the first region comes or goes. Under the lock. */
    private void arenas() {
        if (inArena == null) {
            try {
                inArena = Arena.open(surroundings.arenaIn, false);
                outArena = Arena.open(surroundings.arenaOut, true);
            } catch (IOException error) {
                refuse(Fault.Code.INTERNAL, "the arenas cannot be mapped: " + error, "");
                flush();
                halt();
            }
        }
    }

    @Override
    int region(byte[] data, int size) {
        if (connection.segments() && size >= connection.hello().segmentFromBytes) {
            arenas();
        }
        return super.region(data, size);
    }

    ByteBuffer allocate(Incoming call, int size) {
        synchronized (this) {
            if (connection.segments() && size >= connection.hello().segmentFromBytes && !call.over) {
                arenas();
                int offset = outArena.take(size);
                if (offset >= 0) {
                    ByteBuffer buffer = outArena.slice(offset, size);
                    if (call.allocated == null) {
                        call.allocated = new ArrayList<>();
                    }
                    call.allocated.add(new Object[] {offset, buffer});
                    return buffer;
                }
            }
        }
        return ByteBuffer.allocate(size);
    }
}
