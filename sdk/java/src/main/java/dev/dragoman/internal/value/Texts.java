package dev.dragoman.internal.value;

import java.math.BigDecimal;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.LocalDate;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.UUID;

/** Decimals, dates and times as text, RFC 3339 and ISO 8601. By hand: the formatters of java.time take 20 ms to load. */
final class Texts {
    /** Longer texts of numbers cost more to read than anyone means. */
    private static final int CHARS_MAX = 10_000;

    private final String text;
    private int at;

    private Texts(String text) {
        this.text = text;
    }

    private static DateTimeException malformed() {
        return new DateTimeException("malformed");
    }

    private int digits(int count) {
        if (at + count > text.length()) {
            throw malformed();
        }
        int value = 0;
        for (int stop = at + count; at < stop; at++) {
            char digit = text.charAt(at);
            if (digit < '0' || digit > '9') {
                throw malformed();
            }
            value = value * 10 + digit - '0';
        }
        return value;
    }

    private boolean take(char expected) {
        if (at < text.length() && text.charAt(at) == expected) {
            at++;
            return true;
        }
        return false;
    }

    private void expect(char expected) {
        if (!take(expected)) {
            throw malformed();
        }
    }

    private int fraction() {
        if (!take('.')) {
            return 0;
        }
        int start = at;
        while (at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '9') {
            at++;
        }
        int count = at - start;
        if (count < 1 || count > 9) {
            throw malformed();
        }
        int nanos = Integer.parseInt(text, start, at, 10);
        for (int digit = count; digit < 9; digit++) {
            nanos *= 10;
        }
        return nanos;
    }

    private LocalDate date() {
        int year = digits(4);
        expect('-');
        int month = digits(2);
        expect('-');
        return LocalDate.of(year, month, digits(2));
    }

    private LocalTime time() {
        int hour = digits(2);
        expect(':');
        int minute = digits(2);
        expect(':');
        int second = digits(2);
        return LocalTime.of(hour, minute, second, fraction());
    }

    private ZoneOffset offset() {
        if (take('Z') || take('z')) {
            return ZoneOffset.UTC;
        }
        boolean negative = take('-');
        if (!negative) {
            expect('+');
        }
        int hours = digits(2);
        expect(':');
        int minutes = digits(2);
        return negative ? ZoneOffset.ofHoursMinutes(-hours, -minutes) : ZoneOffset.ofHoursMinutes(hours, minutes);
    }

    private <T> T whole(T value) {
        if (at != text.length()) {
            throw malformed();
        }
        return value;
    }

    static LocalDate date(String text) {
        Texts texts = new Texts(text);
        return texts.whole(texts.date());
    }

    static LocalTime time(String text) {
        Texts texts = new Texts(text);
        return texts.whole(texts.time());
    }

    static OffsetDateTime moment(String text) {
        Texts texts = new Texts(text);
        LocalDate date = texts.date();
        if (!texts.take('T') && !texts.take('t')) {
            texts.expect(' ');
        }
        LocalTime time = texts.time();
        return texts.whole(OffsetDateTime.of(date, time, texts.offset()));
    }

    /** `[-]P[nD][T[nH][nM][n[.n]S]]`, at least one part, and no sign inside. */
    static Duration duration(String text) {
        Texts texts = new Texts(text);
        boolean negative = texts.take('-');
        texts.expect('P');
        Duration sum = Duration.ZERO;
        String units = "DTHMS";
        int next = 0;
        int parts = 0;
        boolean timed = false;
        while (texts.at < text.length()) {
            if (next <= 1 && texts.take('T')) {
                next = 2;
                timed = true;
                parts = 0;
                continue;
            }
            int start = texts.at;
            while (texts.at < text.length() && text.charAt(texts.at) >= '0' && text.charAt(texts.at) <= '9') {
                texts.at++;
            }
            long count = Long.parseLong(text, start, texts.at, 10);
            boolean isFraction = texts.at < text.length() && text.charAt(texts.at) == '.';
            int nanos = texts.fraction();
            int unit = texts.at < text.length() ? units.indexOf(text.charAt(texts.at++)) : -1;
            if (unit < next || unit == 1 || isFraction && unit != 4 || unit > 1 != timed) {
                throw malformed();
            }
            long[] seconds = {86_400, 0, 3600, 60, 1};
            sum = sum.plusSeconds(Math.multiplyExact(count, seconds[unit])).plusNanos(nanos);
            next = unit + 1;
            parts++;
        }
        if (parts == 0) {
            throw malformed();
        }
        return negative ? sum.negated() : sum;
    }

    static UUID uuid(String text) {
        if (text.length() != 36) {
            throw new IllegalArgumentException();
        }
        for (int at = 0; at < 36; at++) {
            boolean dash = at == 8 || at == 13 || at == 18 || at == 23;
            char next = text.charAt(at);
            if (dash ? next != '-' : next > 'f' || Character.digit(next, 16) < 0) {
                throw new IllegalArgumentException();
            }
        }
        return UUID.fromString(text);
    }

    static BigDecimal decimal(String text) {
        if (text.length() > CHARS_MAX || text.isEmpty() || text.charAt(0) == '+') {
            throw new IllegalArgumentException();
        }
        for (int at = 0; at < text.length(); at++) {
            if (text.charAt(at) > 'e') {
                throw new IllegalArgumentException();
            }
        }
        return new BigDecimal(text);
    }

    static String of(BigDecimal value) {
        return Math.abs((long) value.scale()) > CHARS_MAX ? value.toString() : value.toPlainString();
    }

    private static void pad(StringBuilder text, int value, int digits) {
        String plain = Integer.toString(value);
        for (int at = plain.length(); at < digits; at++) {
            text.append('0');
        }
        text.append(plain);
    }

    private static void fraction(StringBuilder text, int nanos) {
        if (nanos == 0) {
            return;
        }
        text.append('.');
        pad(text, nanos, 9);
        while (text.charAt(text.length() - 1) == '0') {
            text.setLength(text.length() - 1);
        }
    }

    private static void date(StringBuilder text, LocalDate date) throws Mismatch {
        if (date.getYear() < 0 || date.getYear() > 9999) {
            throw new Mismatch("a year outside 0000 to 9999 cannot be written");
        }
        pad(text, date.getYear(), 4);
        text.append('-');
        pad(text, date.getMonthValue(), 2);
        text.append('-');
        pad(text, date.getDayOfMonth(), 2);
    }

    private static void time(StringBuilder text, LocalTime time) {
        pad(text, time.getHour(), 2);
        text.append(':');
        pad(text, time.getMinute(), 2);
        text.append(':');
        pad(text, time.getSecond(), 2);
        fraction(text, time.getNano());
    }

    static String of(LocalDate date) throws Mismatch {
        StringBuilder text = new StringBuilder(10);
        date(text, date);
        return text.toString();
    }

    static String of(LocalTime time) {
        StringBuilder text = new StringBuilder(18);
        time(text, time);
        return text.toString();
    }

    static String of(OffsetDateTime moment) throws Mismatch {
        StringBuilder text = new StringBuilder(35);
        date(text, moment.toLocalDate());
        text.append('T');
        time(text, moment.toLocalTime());
        int seconds = moment.getOffset().getTotalSeconds();
        if (seconds == 0) {
            return text.append('Z').toString();
        }
        if (seconds % 60 != 0) {
            throw new Mismatch("an offset with seconds cannot be written");
        }
        text.append(seconds < 0 ? '-' : '+');
        int minutes = Math.abs(seconds) / 60;
        pad(text, minutes / 60, 2);
        text.append(':');
        pad(text, minutes % 60, 2);
        return text.toString();
    }

    static String of(Duration duration) throws Mismatch {
        if (duration.isZero()) {
            return "PT0S";
        }
        StringBuilder text = new StringBuilder(24);
        Duration left = duration;
        if (duration.isNegative()) {
            text.append('-');
            try {
                left = duration.negated();
            } catch (ArithmeticException error) {
                throw new Mismatch("a duration past every duration cannot be written");
            }
        }
        text.append('P');
        if (left.toDaysPart() > 0) {
            text.append(left.toDaysPart()).append('D');
        }
        if (left.toHoursPart() + left.toMinutesPart() + left.toSecondsPart() + left.toNanosPart() == 0) {
            return text.toString();
        }
        text.append('T');
        if (left.toHoursPart() > 0) {
            text.append(left.toHoursPart()).append('H');
        }
        if (left.toMinutesPart() > 0) {
            text.append(left.toMinutesPart()).append('M');
        }
        if (left.toSecondsPart() > 0 || left.toNanosPart() > 0) {
            text.append(left.toSecondsPart());
            fraction(text, left.toNanosPart());
            text.append('S');
        }
        return text.toString();
    }
}
