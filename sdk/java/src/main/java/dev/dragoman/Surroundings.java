package dev.dragoman;

import java.util.Map;

/** The shared memory that a host gives to a guest, by the numbers of its descriptors; -1 for none. */
final class Surroundings {
    final int progress;
    final int arenaIn;
    final int arenaOut;

    Surroundings(Map<String, String> environment) {
        progress = number(environment, "DRAGOMAN_PROGRESS_FD");
        arenaIn = number(environment, "DRAGOMAN_SEGMENT_IN_FD");
        arenaOut = number(environment, "DRAGOMAN_SEGMENT_OUT_FD");
    }

    private static int number(Map<String, String> environment, String name) {
        String text = environment.get(name);
        return text == null || text.isEmpty() ? -1 : Integer.parseInt(text);
    }
}
