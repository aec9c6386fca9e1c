package dev.dragoman;

import dev.dragoman.internal.wire.Frame;
import dev.dragoman.internal.wire.Live;
import dev.dragoman.internal.wire.Meta;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;

/** One call that this guest took. What several threads write here is guarded by the line. */
final class Incoming {
    static final int RUNNING_ON = 0;
    static final int CANCELLED = 1;
    static final int OUT_OF_TIME = 2;
    static final int DATA_LOST = 3;

    final long id;
    final Frame frame;
    final Live live;
    /** Null for an index past the manifest. */
    final Registration function;
    /** In nanoseconds as `System.nanoTime` counts; 0 for none. */
    final long deadline;

    boolean began;
    boolean over;
    /** Why it should stop. */
    volatile int cause = RUNNING_ON;

    /** Whoever runs it, while an interrupt is welcome. */
    Thread runner;

    Thread creditWaiter;
    Thread inputWaiter;
    ArrayDeque<Frame> items;
    boolean inputEnded;
    /** What it has asked for. */
    List<Outgoing> nested;
    /** Regions of this side's arena that the function was given: their offsets, and the buffers. */
    List<Object[]> allocated;

    long beganAt;
    private Meta meta;

    Incoming(Frame frame, Live live, Registration function, long now) {
        id = frame.call;
        this.frame = frame;
        this.live = live;
        this.function = function;
        deadline = frame.amount == 0 ? 0 : now + frame.amount * 1_000_000;
        if (frame.has(Frame.INPUT)) {
            items = new ArrayDeque<>();
        }
    }

    Meta meta() {
        Meta known = meta;
        if (known == null) {
            known = Context.metaOf(frame.meta);
            meta = known;
        }
        return known;
    }

    void asks(Outgoing call) {
        if (nested == null) {
            nested = new ArrayList<>(2);
        }
        nested.add(call);
    }
}
