package dev.dragoman;

import java.util.Objects;

/** What tests say. */
final class Check {
    /** Code that may throw anything. */
    interface Action {
        void run() throws Exception;
    }

    private Check() {}

    static void equal(Object actual, Object wanted, String about) {
        if (!Objects.deepEquals(actual, wanted)) {
            throw new AssertionError(about + ": " + actual + ", wanted " + wanted);
        }
    }

    static void that(boolean condition, String about) {
        if (!condition) {
            throw new AssertionError(about);
        }
    }

    static <T extends Throwable> T thrown(Class<T> type, Action action) {
        try {
            action.run();
        } catch (Throwable error) {
            if (type.isInstance(error)) {
                return type.cast(error);
            }
            throw new AssertionError("threw " + error + ", wanted " + type.getSimpleName(), error);
        }
        throw new AssertionError("threw nothing, wanted " + type.getSimpleName());
    }
}
