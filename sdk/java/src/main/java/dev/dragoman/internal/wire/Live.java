package dev.dragoman.internal.wire;

/**
 * One live call, at either side. `sent` and `granted` are of the stream that this side writes (the reply of a call that
 * it took, the input of one that it made); `received`, `allowed` and `consumed` of the one that it reads.
 */
public final class Live {
    /** A sender's credit never exceeds this. */
    public static final long CREDIT_BYTES_MAX = 1L << 31;

    public static final int WAITING = 0;
    public static final int STREAMING = 1;
    public static final int REVOKING = 2;
    public static final int CANCELLING = 3;

    public final long call;
    /** Whether this side made it. */
    public final boolean made;

    public final boolean streams;
    public final boolean input;
    public int state = WAITING;
    /** Whether an ITEM of the reply has gone. */
    public boolean items;
    /** Whether the input has ended, or its caller has cancelled. */
    public boolean inputClosed;
    /** Whether a corrupt frame has broken the call: what else comes of that stream is dropped. */
    public boolean spoiled;

    public long granted;
    public long sent;
    public long allowed;
    public long received;
    public long consumed;
    private final long window;

    /** Whoever runs or awaits the call. */
    public Object owner;

    Live(long call, boolean made, int flags, long window) {
        this.call = call;
        this.made = made;
        streams = (flags & Frame.STREAM) != 0;
        input = (flags & Frame.INPUT) != 0;
        this.window = window;
        granted = window;
        allowed = window;
    }

    public long credit() {
        return granted - sent;
    }

    void receive(long cost) throws ProtocolFault {
        if (received >= allowed) {
            throw new ProtocolFault("credit", "an ITEM without credit");
        }
        received += cost;
    }

    void grant(long amount) throws ProtocolFault {
        if (amount == 0) {
            throw new ProtocolFault("credit", "a CREDIT of nothing");
        }
        if (granted - sent + amount > CREDIT_BYTES_MAX) {
            throw new ProtocolFault("credit", "a CREDIT of " + amount + " takes the stream past 2^31");
        }
        granted += amount;
    }

    /** Counts an item as used up; the bytes to grant now, 0 until half the window is free again. */
    long consume(long cost) {
        consumed += cost;
        long due = consumed + window - allowed;
        return due * 2 >= window ? due : 0;
    }
}
