package dev.dragoman;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A call that failed: one of a closed set of codes, and what people should know. Functions throw it to fail in a way
 * that their callers understand; callers catch it and look at {@link #code()}.
 */
public final class Fault extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** The codes of gRPC, other than OK. */
    public enum Code {
        CANCELLED,
        UNKNOWN,
        INVALID_ARGUMENT,
        DEADLINE_EXCEEDED,
        NOT_FOUND,
        ALREADY_EXISTS,
        PERMISSION_DENIED,
        RESOURCE_EXHAUSTED,
        FAILED_PRECONDITION,
        ABORTED,
        OUT_OF_RANGE,
        UNIMPLEMENTED,
        INTERNAL,
        UNAVAILABLE,
        DATA_LOSS,
        UNAUTHENTICATED
    }

    /** Whether the function had begun when the call failed. */
    public enum Started {
        /** It never ran: anyone may try again. */
        NO,
        YES,
        UNKNOWN
    }

    /** One breach of a contract: where (a JSON Pointer) and what. */
    public record Breach(String path, String message) {}

    private final Code code;
    private final Started started;
    private final transient List<Breach> errors;
    private final Duration retryAfter;

    public Fault(Code code, String detail) {
        this(code, detail, Started.UNKNOWN, List.of(), null, null);
    }

    public Fault(Code code, String detail, Throwable cause) {
        this(code, detail, Started.UNKNOWN, List.of(), null, cause);
    }

    private Fault(
            Code code, String detail, Started started, List<Breach> errors, Duration retryAfter, Throwable cause) {
        super(detail, cause);
        this.code = code;
        this.started = started;
        this.errors = errors;
        this.retryAfter = retryAfter;
    }

    /** The same fault, with a breach more. */
    public Fault with(String path, String message) {
        List<Breach> more = new ArrayList<>(errors());
        more.add(new Breach(path, message));
        return copy(started, List.copyOf(more), retryAfter);
    }

    /** The same fault, saying whether the function had begun. */
    public Fault with(Started known) {
        return copy(known, errors(), retryAfter);
    }

    /** The same fault, saying when to try again. */
    public Fault retryAfter(Duration pause) {
        return copy(started, errors(), pause);
    }

    private Fault copy(Started known, List<Breach> breaches, Duration pause) {
        Fault copy = new Fault(code, getMessage(), known, breaches, pause, getCause());
        copy.setStackTrace(getStackTrace());
        return copy;
    }

    public Code code() {
        return code;
    }

    /** What happened, for people. */
    public String detail() {
        return getMessage() == null ? "" : getMessage();
    }

    public Started started() {
        return started;
    }

    public List<Breach> errors() {
        return errors == null ? List.of() : errors;
    }

    public Optional<Duration> retryAfter() {
        return Optional.ofNullable(retryAfter);
    }

    @Override
    public String toString() {
        return code + ": " + detail();
    }

    public static Fault invalidArgument(String detail) {
        return new Fault(Code.INVALID_ARGUMENT, detail);
    }

    public static Fault notFound(String detail) {
        return new Fault(Code.NOT_FOUND, detail);
    }

    public static Fault alreadyExists(String detail) {
        return new Fault(Code.ALREADY_EXISTS, detail);
    }

    public static Fault permissionDenied(String detail) {
        return new Fault(Code.PERMISSION_DENIED, detail);
    }

    public static Fault resourceExhausted(String detail) {
        return new Fault(Code.RESOURCE_EXHAUSTED, detail);
    }

    public static Fault failedPrecondition(String detail) {
        return new Fault(Code.FAILED_PRECONDITION, detail);
    }

    public static Fault aborted(String detail) {
        return new Fault(Code.ABORTED, detail);
    }

    public static Fault outOfRange(String detail) {
        return new Fault(Code.OUT_OF_RANGE, detail);
    }

    public static Fault unimplemented(String detail) {
        return new Fault(Code.UNIMPLEMENTED, detail);
    }

    public static Fault unavailable(String detail) {
        return new Fault(Code.UNAVAILABLE, detail);
    }
}
