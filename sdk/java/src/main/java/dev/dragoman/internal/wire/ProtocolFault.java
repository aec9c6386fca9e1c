package dev.dragoman.internal.wire;

/** The peer broke the specification: a reason of SPEC.md §12, and what was wrong. */
public final class ProtocolFault extends Exception {
    private static final long serialVersionUID = 1L;

    /** The reason, as the vectors name it. */
    public final String reason;

    public ProtocolFault(String reason, String detail) {
        super(detail);
        this.reason = reason;
    }
}
