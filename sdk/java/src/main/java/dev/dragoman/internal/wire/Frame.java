package dev.dragoman.internal.wire;

/** One frame. `meta` and `body` are never null; with SEGMENT, `body` is empty and the region lies in the peer's arena. */
public final class Frame {
    public static final int HELLO = 1;
    public static final int READY = 2;
    public static final int CALL = 3;
    public static final int ITEM = 4;
    public static final int END = 5;
    public static final int FAULT = 6;
    public static final int CANCEL = 7;
    public static final int CREDIT = 8;
    public static final int EVENT = 9;
    public static final int PING = 10;
    public static final int PONG = 11;
    public static final int DRAIN = 12;
    public static final int BYE = 13;
    public static final int RELEASE = 14;

    private static final String[] KINDS = {
        "0", "HELLO", "READY", "CALL", "ITEM", "END", "FAULT", "CANCEL", "CREDIT", "EVENT", "PING", "PONG", "DRAIN", "BYE",
        "RELEASE"
    };

    public static final int CHECKSUM = 1;
    public static final int SEGMENT = 2;
    public static final int STREAM = 4;
    public static final int UNSTARTED = 8;
    public static final int INPUT = 16;
    /** Not on the wire: set where a checksum does not match. Such a frame has neither meta nor body. */
    public static final int CORRUPT = 256;

    public static final int NONE = 0;
    public static final int JSON = 1;
    public static final int MSGPACK = 2;
    public static final int BYTES = 3;
    public static final int ARROW = 4;

    public static final int VERSION = 1;
    public static final int HEADER_BYTES = 32;
    public static final int META_BYTES_MAX = 8192;
    /** First id of the calls that a guest makes: 2^63. */
    public static final long GUEST_BIT = Long.MIN_VALUE;

    public static final byte[] EMPTY = {};

    public final int kind;
    public final int flags;
    public final int codec;
    public final int function;
    public final long call;
    /** Unsigned 32 bits. */
    public final long amount;

    public final byte[] meta;
    public final byte[] body;
    /** The region of a frame with SEGMENT. */
    public final long offset;

    public final long size;
    /** The call that a received frame belongs to; null for none, or one that is over. */
    public Live live;

    public Frame(int kind, int flags, int codec, int function, long call, long amount, byte[] meta, byte[] body) {
        this(kind, flags, codec, function, call, amount, meta, body, 0, 0);
    }

    public Frame(
            int kind,
            int flags,
            int codec,
            int function,
            long call,
            long amount,
            byte[] meta,
            byte[] body,
            long offset,
            long size) {
        this.kind = kind;
        this.flags = flags;
        this.codec = codec;
        this.function = function;
        this.call = call;
        this.amount = amount;
        this.meta = meta;
        this.body = body;
        this.offset = offset;
        this.size = size;
    }

    public boolean has(int flag) {
        return (flags & flag) != 0;
    }

    /** Whether the body lies in the peer's arena. */
    public boolean isSegment() {
        return (flags & (SEGMENT | CORRUPT)) == SEGMENT;
    }

    /** Bytes of the body, wherever it lies. */
    public long bodySize() {
        return isSegment() ? size : body.length;
    }

    /** What an ITEM costs of its stream's credit, SPEC.md §7. */
    public long cost() {
        return HEADER_BYTES + (isSegment() ? 16 + size : body.length);
    }

    public static String nameOf(int kind) {
        return kind > 0 && kind < KINDS.length ? KINDS[kind] : Integer.toString(kind);
    }

    @Override
    public String toString() {
        return nameOf(kind) + " call " + Long.toHexString(call) + " flags " + flags + " codec " + codec + ", "
                + body.length + " bytes";
    }
}
