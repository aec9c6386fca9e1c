package dev.dragoman.internal.wire;

import java.util.zip.CRC32;

/**
 * Cuts a byte stream into frames. A header is checked before anything behind it is stored, and memory follows the bytes
 * that have come, never a length that a header claims.
 */
public final class Decoder {
    /** Takes each whole frame. */
    public interface Taker {
        void take(Frame frame) throws ProtocolFault;
    }

    private static final int FLAGS = Frame.CHECKSUM | Frame.SEGMENT | Frame.STREAM | Frame.UNSTARTED | Frame.INPUT;
    /** A frame that spans reads begins with this much room at most. */
    private static final int ROOM_BYTES = 64 * 1024;

    private long limit = 64L << 20;
    private boolean segments;
    private ProtocolFault fault;

    private final byte[] head = new byte[Frame.HEADER_BYTES];
    private int headSize;
    private byte[] part;
    private int partSize;
    private int partLength;

    /** `frame_bytes_max`, and whether both sides agreed on segments. */
    public void accept(long frameBytesMax, boolean agreed) {
        limit = Math.min(frameBytesMax, Integer.MAX_VALUE - 64L);
        segments = agreed;
    }

    /** Whether the bytes so far end inside a frame. */
    public boolean isInside() {
        return headSize > 0;
    }

    /** Takes bytes. After a fault every call throws it again. */
    public void feed(byte[] data, int from, int count, Taker taker) throws ProtocolFault {
        if (fault != null) {
            throw new ProtocolFault(fault.reason, fault.getMessage());
        }
        try {
            cut(data, from, from + count, taker);
        } catch (ProtocolFault found) {
            fault = found;
            part = null;
            throw found;
        }
    }

    private void cut(byte[] data, int from, int end, Taker taker) throws ProtocolFault {
        int at = headSize > 0 ? resume(data, from, end, taker) : from;
        while (end - at >= Frame.HEADER_BYTES) {
            int length = check(data, at);
            if (end - at - Frame.HEADER_BYTES < length) {
                break;
            }
            taker.take(frame(data, at, data, at + Frame.HEADER_BYTES, length));
            at += Frame.HEADER_BYTES + length;
        }
        if (at < end) {
            resume(data, at, end, taker);
        }
    }

    /** Goes on with a frame that spans reads; returns where what follows it begins. */
    private int resume(byte[] data, int from, int end, Taker taker) throws ProtocolFault {
        int at = from;
        if (headSize < Frame.HEADER_BYTES) {
            int piece = Math.min(Frame.HEADER_BYTES - headSize, end - at);
            System.arraycopy(data, at, head, headSize, piece);
            headSize += piece;
            at += piece;
            if (headSize < Frame.HEADER_BYTES) {
                return at;
            }
            partLength = check(head, 0);
            partSize = 0;
            part = new byte[Math.min(partLength, Math.max(ROOM_BYTES, end - at))];
        }
        int piece = Math.min(partLength - partSize, end - at);
        if (partSize + piece > part.length) {
            int room = (int) Math.min(partLength, Math.max(2L * part.length, partSize + (long) piece));
            part = java.util.Arrays.copyOf(part, room);
        }
        System.arraycopy(data, at, part, partSize, piece);
        partSize += piece;
        at += piece;
        if (partSize == partLength) {
            headSize = 0;
            byte[] whole = part;
            part = null;
            taker.take(frame(head, 0, whole, 0, partLength));
        }
        return at;
    }

    private static int int32(byte[] data, int at) {
        return data[at] & 0xFF | (data[at + 1] & 0xFF) << 8 | (data[at + 2] & 0xFF) << 16 | data[at + 3] << 24;
    }

    static long int64(byte[] data, int at) {
        return int32(data, at) & 0xFFFFFFFFL | (long) int32(data, at + 4) << 32;
    }

    private static Frame frame(byte[] header, int at, byte[] data, int start, int length) {
        int kind = header[at + 5];
        int flags = header[at + 6];
        int meta = int32(header, at + 12);
        byte[] entries = meta == 0 ? Frame.EMPTY : java.util.Arrays.copyOfRange(data, start, start + meta);
        byte[] body;
        if (length == meta) {
            body = Frame.EMPTY;
        } else if (start == 0 && meta == 0 && data.length == length) {
            body = data;
        } else {
            body = java.util.Arrays.copyOfRange(data, start + meta, start + length);
        }
        if ((flags & Frame.CHECKSUM) != 0) {
            CRC32 sum = new CRC32();
            sum.update(data, start, length);
            if ((int) sum.getValue() != int32(header, at + 28)) {
                flags |= Frame.CORRUPT;
                entries = Frame.EMPTY;
                body = Frame.EMPTY;
            }
        }
        long offset = 0;
        long size = 0;
        if ((flags & (Frame.SEGMENT | Frame.CORRUPT)) == Frame.SEGMENT) {
            offset = int64(body, 0);
            size = int64(body, 8);
            body = Frame.EMPTY;
        }
        return new Frame(
                kind,
                flags,
                header[at + 7] & 0xFF,
                int32(header, at + 8),
                int64(header, at + 16),
                int32(header, at + 24) & 0xFFFFFFFFL,
                entries,
                body,
                offset,
                size);
    }

    /** The `length` of a legal header. */
    private int check(byte[] data, int at) throws ProtocolFault {
        int version = data[at + 4] & 0xFF;
        int kind = data[at + 5] & 0xFF;
        int flags = data[at + 6] & 0xFF;
        int codec = data[at + 7] & 0xFF;
        long length = int32(data, at) & 0xFFFFFFFFL;
        long meta = int32(data, at + 12) & 0xFFFFFFFFL;
        if (version != Frame.VERSION) {
            throw new ProtocolFault("version", "frame of version " + version + "; this side speaks 1");
        }
        if (kind < Frame.HELLO || kind > Frame.RELEASE) {
            throw new ProtocolFault("kind", "unknown kind " + kind);
        }
        boolean bulk = kind >= Frame.CALL && kind <= Frame.END;
        boolean segment = bulk && (flags & Frame.SEGMENT) != 0;
        if (segment && (!segments || length != meta + 16)) {
            throw new ProtocolFault(
                    "segment",
                    segments ? "a region is named by 16 bytes" : "a body in shared memory, on which nobody agreed");
        }
        if ((flags & ~allowedFlags(kind)) != 0 || (flags & ~FLAGS) != 0) {
            throw new ProtocolFault("flags", "flags " + flags + " are not allowed on " + Frame.nameOf(kind));
        }
        if (!isCodec(kind, codec)) {
            throw new ProtocolFault("codec", "codec byte " + codec + " is not allowed on " + Frame.nameOf(kind));
        }
        if (meta > 0 && (kind != Frame.CALL || meta > Frame.META_BYTES_MAX || meta > length)) {
            throw new ProtocolFault("meta", Frame.nameOf(kind) + " with " + meta + " bytes of meta in " + length);
        }
        boolean bodiless = bulk && (codec & 15) == Frame.NONE;
        if (length > (bulk ? limit : bodyMax(kind))
                || bodiless && length > meta
                || kind == Frame.RELEASE && length != 8) {
            throw new ProtocolFault("size", Frame.nameOf(kind) + " of " + length + " bytes is more than is accepted");
        }
        return (int) length;
    }

    private static int allowedFlags(int kind) {
        switch (kind) {
            case Frame.CALL:
                return Frame.CHECKSUM | Frame.SEGMENT | Frame.STREAM | Frame.INPUT;
            case Frame.ITEM:
            case Frame.END:
                return Frame.CHECKSUM | Frame.SEGMENT;
            case Frame.CANCEL:
            case Frame.FAULT:
                return Frame.CHECKSUM | Frame.UNSTARTED;
            default:
                return Frame.CHECKSUM;
        }
    }

    private static boolean isCodec(int kind, int codec) {
        switch (kind) {
            case Frame.CALL:
                return (codec & 15) <= Frame.ARROW && codec >> 4 <= Frame.ARROW;
            case Frame.ITEM:
            case Frame.END:
                return codec <= Frame.ARROW;
            case Frame.HELLO:
            case Frame.READY:
            case Frame.FAULT:
            case Frame.EVENT:
                return codec == Frame.JSON;
            default:
                return codec == Frame.NONE;
        }
    }

    static long bodyMax(int kind) {
        switch (kind) {
            case Frame.HELLO:
            case Frame.FAULT:
            case Frame.EVENT:
                return 1 << 20;
            case Frame.READY:
                return 16 << 20;
            case Frame.PING:
            case Frame.PONG:
                return 64;
            case Frame.RELEASE:
                return 8;
            default:
                return 0;
        }
    }
}
