package dev.dragoman;

import java.time.Duration;

/** What may be said of one call besides its input. */
public final class CallOptions {
    /** Nothing. */
    public static final CallOptions NONE = new CallOptions(null, "", "", "");

    final Duration timeout;
    final String traceparent;
    final String tracestate;
    final String callId;

    private CallOptions(Duration timeout, String traceparent, String tracestate, String callId) {
        this.timeout = timeout;
        this.traceparent = traceparent;
        this.tracestate = tracestate;
        this.callId = callId;
    }

    /** At most this long; it may only shorten the function's own time. */
    public static CallOptions timeout(Duration timeout) {
        return NONE.withTimeout(timeout);
    }

    public CallOptions withTimeout(Duration most) {
        return new CallOptions(most, traceparent, tracestate, callId);
    }

    /** The W3C `traceparent` and `tracestate` of which the call is a part; the state may be empty. */
    public CallOptions withTrace(String parent, String state) {
        return new CallOptions(timeout, parent, state, callId);
    }

    /** The id under which people know the call: 1 to 128 printable ASCII characters. */
    public CallOptions withCallId(String id) {
        return new CallOptions(timeout, traceparent, tracestate, id);
    }
}
