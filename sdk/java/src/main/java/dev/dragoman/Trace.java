package dev.dragoman;

import java.util.HexFormat;

/** The W3C trace context: as text `00-<32 hex>-<16 hex>-<2 hex>`, on the wire 26 bytes. */
final class Trace {
    private Trace() {}

    static String text(byte[] trace) {
        if (trace == null) {
            return "";
        }
        HexFormat hex = HexFormat.of();
        return "00-" + hex.formatHex(trace, 1, 17) + "-" + hex.formatHex(trace, 17, 25) + "-" + hex.formatHex(trace, 25, 26);
    }

    /** Null for no trace; text of another form throws. */
    static byte[] parse(String text) {
        if (text.isEmpty()) {
            return null;
        }
        String[] parts = text.split("-");
        try {
            if (parts.length == 4 && parts[0].equals("00")) {
                byte[] trace = HexFormat.of().parseHex(parts[0] + parts[1] + parts[2] + parts[3]);
                if (trace.length == 26 && parts[1].length() == 32 && parts[2].length() == 16) {
                    return trace;
                }
            }
        } catch (IllegalArgumentException error) {
            // Said below.
        }
        throw Fault.invalidArgument("a traceparent is 00-<32 hex>-<16 hex>-<2 hex>, not: " + text);
    }
}
