package dev.dragoman.internal.value;

/** A value that is not what it must be, and where: the path grows from the inside out as a JSON Pointer. */
public final class Mismatch extends Exception {
    private static final long serialVersionUID = 1L;

    private final String problem;
    private String path = "";
    /** Whether only the codec is at fault: another one could say the value. */
    public final boolean codecOnly;

    public Mismatch(String problem) {
        this(problem, false);
    }

    public Mismatch(String problem, boolean codecOnly) {
        super(null, null, false, false);
        this.problem = problem;
        this.codecOnly = codecOnly;
    }

    public Mismatch in(String key) {
        path = "/" + key.replace("~", "~0").replace("/", "~1") + path;
        return this;
    }

    public Mismatch in(int index) {
        path = "/" + index + path;
        return this;
    }

    public String path() {
        return path;
    }

    public String problem() {
        return problem;
    }

    @Override
    public String getMessage() {
        return path.isEmpty() ? problem : path + ": " + problem;
    }
}
