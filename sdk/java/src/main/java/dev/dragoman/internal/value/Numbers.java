package dev.dragoman.internal.value;

import java.math.BigDecimal;
import java.math.MathContext;

/** Numbers without rounding. */
final class Numbers {
    /** An integer of more digits costs more to read than anyone means: reading is quadratic. */
    static final int DIGITS_MAX = 10_000;

    private static final boolean IS_SHORTEST = Runtime.version().feature() >= 19;

    private Numbers() {}

    static float exactFloat(double value) throws Mismatch {
        float narrow = (float) value;
        if (narrow != value && !Double.isNaN(value)) {
            throw new Mismatch("a number that 32 bits cannot hold exactly: declare `double`");
        }
        return narrow;
    }

    /** The shortest form that reads back the same. Before Java 19 `toString` may have a digit too many. */
    static String text(double value) {
        String text = Double.toString(value);
        if (IS_SHORTEST || text.length() < 18) {
            return text;
        }
        BigDecimal exact = new BigDecimal(text);
        for (int digits = exact.precision() - 1; digits > 0; digits--) {
            BigDecimal shorter = exact.round(new MathContext(digits));
            if (shorter.doubleValue() != value) {
                break;
            }
            text = shorter.toString();
        }
        return text;
    }
}
