package dev.dragoman.internal.wire;

import dev.dragoman.internal.value.Json;
import dev.dragoman.internal.value.Mismatch;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The JSON bodies of FAULT and EVENT. Texts are cut so that a report always fits its frame. */
public final class Report {
    /** A traceback or log line is cut here: past it nobody reads. */
    private static final int TEXT_CHARS_MAX = 64 * 1024;
    /** A detail is cut here: an exception's message may hold a whole data set. */
    private static final int DETAIL_CHARS_MAX = 16 * 1024;

    private static final int ERRORS_MAX = 1000;
    private static final int ERROR_CHARS_MAX = 200;
    private static final int BODY_BYTES_MAX = 1 << 20;

    /** What FAULT says. */
    public static final class Fault {
        public String code = "UNKNOWN";
        public String detail = "";
        public String started = "unknown";
        public String traceback = "";
        /** Path and message, in turns. */
        public List<String> errors = List.of();

        public double retryAfter = Double.NaN;
    }

    private Report() {}

    public static byte[] fault(String code, String detail, String started) {
        Fault fault = new Fault();
        fault.code = code;
        fault.detail = detail;
        fault.started = started;
        return fault(fault);
    }

    public static byte[] fault(Fault fault) {
        Map<String, Object> body = new LinkedHashMap<>();
        body.put("code", fault.code);
        body.put("detail", cut(fault.detail, DETAIL_CHARS_MAX));
        body.put("started", fault.started);
        if (!fault.traceback.isEmpty()) {
            body.put("traceback", cut(fault.traceback, TEXT_CHARS_MAX));
        }
        if (!Double.isNaN(fault.retryAfter) && !Double.isInfinite(fault.retryAfter)) {
            body.put("retry_after_s", fault.retryAfter);
        }
        int count = Math.min(fault.errors.size() / 2, ERRORS_MAX);
        while (count > 0) {
            List<Object> errors = new ArrayList<>();
            for (int at = 0; at < count; at++) {
                Map<String, Object> error = new LinkedHashMap<>();
                error.put("path", cut(fault.errors.get(2 * at), ERROR_CHARS_MAX));
                error.put("message", cut(fault.errors.get(2 * at + 1), ERROR_CHARS_MAX));
                errors.add(error);
            }
            body.put("errors", errors);
            byte[] written = Json.write(body);
            if (written.length <= BODY_BYTES_MAX) {
                return written;
            }
            body.remove("errors");
            count /= 2;
        }
        return Json.write(body);
    }

    public static Fault readFault(byte[] body) throws ProtocolFault {
        Map<String, Object> document = Hello.document(body, "FAULT");
        Fault fault = new Fault();
        fault.code = Hello.text(document, "code", null);
        fault.detail = Hello.text(document, "detail", "");
        fault.started = Hello.text(document, "started", "unknown");
        fault.traceback = Hello.text(document, "traceback", "");
        if (document.containsKey("retry_after_s")) {
            fault.retryAfter = number(document, "retry_after_s");
        }
        Object errors = document.getOrDefault("errors", List.of());
        if (!(errors instanceof List)) {
            throw new ProtocolFault("json", "`errors` must be a list");
        }
        fault.errors = new ArrayList<>();
        for (Object each : (List<?>) errors) {
            if (!(each instanceof Map)) {
                throw new ProtocolFault("json", "each of `errors` must be an object");
            }
            @SuppressWarnings("unchecked")
            Map<String, Object> error = (Map<String, Object>) each;
            if (fault.errors.size() < 2 * ERRORS_MAX) {
                fault.errors.add(Hello.text(error, "path", ""));
                fault.errors.add(Hello.text(error, "message", ""));
            }
        }
        return fault;
    }

    private static double number(Map<String, Object> document, String key) throws ProtocolFault {
        Object value = document.get(key);
        if (!(value instanceof Number)) {
            throw new ProtocolFault("json", "`" + key + "` must be a number");
        }
        double number = ((Number) value).doubleValue();
        if (Double.isInfinite(number)) {
            throw new ProtocolFault("json", "`" + key + "` is past every number that travels");
        }
        return number;
    }

    /** Checks the body of EVENT, as a host does. */
    public static void readEvent(byte[] body) throws ProtocolFault {
        Map<String, Object> document = Hello.document(body, "EVENT");
        Map<String, Object> part;
        if (document.containsKey("log")) {
            part = section(document, "log");
            Hello.text(part, "message", null);
            Hello.text(part, "level", "info");
            Hello.text(part, "stream", "log");
            if (part.containsKey("fields")) {
                section(part, "fields");
            }
        } else if (document.containsKey("progress")) {
            part = section(document, "progress");
            number(part, "share");
            Hello.text(part, "message", "");
        }
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> section(Map<String, Object> document, String key) throws ProtocolFault {
        Object value = document.get(key);
        if (!(value instanceof Map)) {
            throw new ProtocolFault("json", "`" + key + "` must be an object");
        }
        return (Map<String, Object>) value;
    }

    /** A log line. Fields that JSON cannot say are written as text; too many of them are left out. */
    public static byte[] log(String message, String level, Map<String, ?> fields) {
        Map<String, Object> log = new LinkedHashMap<>();
        log.put("message", cut(message, TEXT_CHARS_MAX));
        log.put("level", level);
        log.put("stream", "log");
        if (!fields.isEmpty()) {
            Map<String, Object> plain = new LinkedHashMap<>();
            fields.forEach((name, value) -> plain.put(name, plain(value)));
            log.put("fields", plain);
            byte[] body = Json.write(Map.of("log", log));
            if (body.length <= BODY_BYTES_MAX) {
                return body;
            }
            log.remove("fields");
        }
        return Json.write(Map.of("log", log));
    }

    private static Object plain(Object value) {
        try {
            Json.encode(value);
            return value;
        } catch (Mismatch | RuntimeException | StackOverflowError error) {
            return cut(String.valueOf(value), TEXT_CHARS_MAX);
        }
    }

    public static byte[] progress(double share, String message) {
        Map<String, Object> progress = new LinkedHashMap<>();
        progress.put("share", share > 0 ? Math.min(share, 1) : 0.0);
        progress.put("message", cut(message, TEXT_CHARS_MAX));
        return Json.write(Map.of("progress", progress));
    }

    private static String cut(String text, int max) {
        if (text == null) {
            return "";
        }
        return text.length() <= max ? text : text.substring(0, max - 1) + "…";
    }
}
