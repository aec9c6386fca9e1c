package dev.dragoman.internal.wire;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** What a CALL carries besides its body: a run of entries, tag (u8), size (u16), value. */
public final class Meta {
    public static final Meta NONE = new Meta(null, null, "", "", 0);
    public static final int CALL_ID_BYTES_MAX = 128;
    public static final int FUNCTION_BYTES_MAX = 256;

    private static final int TRACE = 1;
    private static final int TRACE_STATE = 2;
    private static final int CALL_ID = 3;
    private static final int FUNCTION = 4;
    private static final int DEPTH = 5;
    private static final int TRACE_BYTES = 26;
    private static final int TRACE_STATE_BYTES_MAX = 512;

    /** 26 bytes, or null where the call is not traced. */
    public final byte[] trace;

    public final String traceState;
    public final String callId;
    public final String function;
    public final int depth;

    public Meta(byte[] trace, String traceState, String callId, String function, int depth) {
        this.trace = trace;
        this.traceState = traceState == null ? "" : traceState;
        this.callId = callId;
        this.function = function;
        this.depth = depth;
    }

    /** The bytes. A trace state that may not travel is left out; the others throw `IllegalArgumentException`. */
    public byte[] encode() {
        Sink sink = new Sink(64);
        if (trace != null) {
            put(sink, TRACE, trace);
            if (isAscii(traceState) && !traceState.isEmpty() && traceState.length() <= TRACE_STATE_BYTES_MAX) {
                put(sink, TRACE_STATE, traceState.getBytes(StandardCharsets.US_ASCII));
            }
        }
        if (!callId.isEmpty()) {
            if (!isAscii(callId) || callId.length() > CALL_ID_BYTES_MAX) {
                throw new IllegalArgumentException("a call id has 1 to 128 printable ASCII characters");
            }
            put(sink, CALL_ID, callId.getBytes(StandardCharsets.US_ASCII));
        }
        if (!function.isEmpty()) {
            byte[] name = function.getBytes(StandardCharsets.UTF_8);
            if (name.length > FUNCTION_BYTES_MAX || !isPrintable(function)) {
                throw new IllegalArgumentException("the name of a function has 1 to 256 bytes of printable text");
            }
            put(sink, FUNCTION, name);
        }
        if (depth > 0) {
            put(sink, DEPTH, new byte[] {(byte) Math.min(depth, 255)});
        }
        return sink.take();
    }

    private static void put(Sink sink, int tag, byte[] value) {
        sink.put(tag);
        sink.put(value.length);
        sink.put(value.length >>> 8);
        sink.put(value);
    }

    public static Meta decode(byte[] data) throws ProtocolFault {
        if (data.length == 0) {
            return NONE;
        }
        byte[][] found = new byte[DEPTH + 1][];
        int at = 0;
        while (at < data.length) {
            if (data.length - at < 3) {
                throw new ProtocolFault("meta", (data.length - at) + " stray bytes at the end");
            }
            int tag = data[at] & 0xFF;
            int size = data[at + 1] & 0xFF | (data[at + 2] & 0xFF) << 8;
            at += 3;
            if (size > data.length - at) {
                throw new ProtocolFault("meta", "entry " + tag + " claims " + size + " bytes of " + (data.length - at));
            }
            if (tag >= TRACE && tag <= DEPTH) {
                if (found[tag] != null) {
                    throw new ProtocolFault("meta", "entry " + tag + " comes twice");
                }
                found[tag] = Arrays.copyOfRange(data, at, at + size);
            }
            at += size;
        }
        byte[] trace = found[TRACE];
        if (trace != null && trace.length != TRACE_BYTES) {
            throw new ProtocolFault("meta", "TRACE of " + trace.length + " bytes; it is 26");
        }
        if (trace != null && (trace[0] != 0 || isZero(trace, 1, 17) || isZero(trace, 17, 25))) {
            trace = null;
        }
        byte[] depth = found[DEPTH];
        if (depth != null && depth.length != 1) {
            throw new ProtocolFault("meta", "DEPTH of " + depth.length + " bytes; it is one");
        }
        String state = text(found[TRACE_STATE], TRACE_STATE_BYTES_MAX, true);
        return new Meta(
                trace,
                trace == null ? "" : state,
                text(found[CALL_ID], CALL_ID_BYTES_MAX, true),
                text(found[FUNCTION], FUNCTION_BYTES_MAX, false),
                depth == null ? 0 : depth[0] & 0xFF);
    }

    private static boolean isZero(byte[] data, int from, int to) {
        for (int at = from; at < to; at++) {
            if (data[at] != 0) {
                return false;
            }
        }
        return true;
    }

    private static String text(byte[] value, int bytesMax, boolean ascii) throws ProtocolFault {
        if (value == null) {
            return "";
        }
        if (value.length == 0 || value.length > bytesMax) {
            throw new ProtocolFault("meta", "a text of " + value.length + " bytes; 1 to " + bytesMax + " are allowed");
        }
        String text;
        try {
            text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(value)).toString();
        } catch (CharacterCodingException error) {
            throw new ProtocolFault("meta", "a text that is not UTF-8");
        }
        if (ascii ? !isAscii(text) : !isPrintable(text)) {
            throw new ProtocolFault("meta", "a text with characters that may not be in it");
        }
        return text;
    }

    private static boolean isAscii(String text) {
        for (int at = 0; at < text.length(); at++) {
            if (text.charAt(at) < ' ' || text.charAt(at) > '~') {
                return false;
            }
        }
        return true;
    }

    private static boolean isPrintable(String text) {
        return text.codePoints().allMatch(Meta::isPrintable);
    }

    private static boolean isPrintable(int point) {
        switch (Character.getType(point)) {
            case Character.CONTROL:
            case Character.FORMAT:
            case Character.SURROGATE:
            case Character.PRIVATE_USE:
            case Character.UNASSIGNED:
            case Character.LINE_SEPARATOR:
            case Character.PARAGRAPH_SEPARATOR:
                return false;
            case Character.SPACE_SEPARATOR:
                return point == ' ';
            default:
                return true;
        }
    }
}
