package dev.dragoman;

import dev.dragoman.internal.wire.Report;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletionException;

/** Whatever a function throws, as the report that its caller will read. */
final class Failure {
    /** Head and tail of a trace: deep recursion prints thousands of lines, and both ends say what happened. */
    private static final int TRACE_CHARS_MAX = 16 * 1024;

    private static final int FRAMES_MAX = 100;
    private static final int CAUSES_MAX = 8;

    private Failure() {}

    /** Type and message on one line, whatever the exception's own methods do. */
    static String describe(Throwable error) {
        String message;
        try {
            message = error.getMessage();
        } catch (Throwable broken) {
            message = "(its message cannot be read)";
        }
        String name = error.getClass().getName();
        return message == null || message.isEmpty() ? name : name + ": " + message;
    }

    static String trace(Throwable error) {
        try {
            return traceOf(error);
        } catch (Throwable broken) {
            return "(its stack trace cannot be read)";
        }
    }

    private static String traceOf(Throwable error) {
        StringBuilder text = new StringBuilder();
        Throwable at = error;
        for (int depth = 0; at != null && depth < CAUSES_MAX; depth++) {
            text.append(depth == 0 ? "" : "Caused by: ").append(describe(at)).append('\n');
            StackTraceElement[] frames = at.getStackTrace();
            for (int index = 0; index < frames.length && index < FRAMES_MAX; index++) {
                if (frames[index].getClassName().equals("dev.dragoman.Guest")) {
                    break;
                }
                text.append("\tat ").append(frames[index]).append('\n');
            }
            at = at.getCause() == at ? null : at.getCause();
        }
        if (text.length() > TRACE_CHARS_MAX) {
            int half = TRACE_CHARS_MAX / 2;
            return text.substring(0, half) + "\n…\n" + text.substring(text.length() - half);
        }
        return text.toString();
    }

    static Report.Fault of(Fault.Code code, String detail, String started) {
        Report.Fault fault = new Report.Fault();
        fault.code = code.name();
        fault.detail = detail;
        fault.started = started;
        return fault;
    }

    static Report.Fault breach(Fault.Code code, String path, String message, String started) {
        Report.Fault fault = of(code, path.isEmpty() ? message : path + ": " + message, started);
        fault.errors = List.of(path, message);
        return fault;
    }

    /** The report of what user code threw. */
    static Report.Fault of(Throwable thrown) {
        Throwable error = thrown;
        for (int depth = 0; depth < CAUSES_MAX; depth++) {
            boolean wraps = error instanceof Items.Failed || error.getClass() == CompletionException.class;
            if (!wraps || error.getCause() == null) {
                break;
            }
            error = error.getCause();
        }
        if (error instanceof Fault) {
            Fault fault = (Fault) error;
            Report.Fault report = of(fault.code(), fault.detail(), "yes");
            report.errors = new ArrayList<>();
            for (Fault.Breach each : fault.errors()) {
                report.errors.add(each.path());
                report.errors.add(each.message());
            }
            fault.retryAfter().ifPresent(pause -> report.retryAfter = pause.toNanos() / 1e9);
            report.traceback = trace(error);
            return report;
        }
        Report.Fault report = of(Fault.Code.UNKNOWN, describe(error), "yes");
        report.traceback = trace(error);
        return report;
    }
}
