package dev.dragoman;

import dev.dragoman.internal.io.Descriptor;
import dev.dragoman.internal.io.Transport;
import dev.dragoman.internal.io.UnixSocket;
import java.io.IOException;
import java.lang.reflect.Type;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Flow;
import java.util.stream.Stream;

/**
 * Where a Java program says which functions it offers, and then serves them to its host.
 *
 * <pre>{@code
 * record Input(String text) {}
 * record Output(String hex) {}
 *
 * public static void main(String[] args) {
 *     Dragoman.function("sha256", Input.class, Output.class, (input, context) -> new Output(sha256(input.text())));
 *     Dragoman.run();
 * }
 * }</pre>
 */
public final class Dragoman {
    /** The version of this library. */
    public static final String VERSION = "0.1.0";

    private static final List<Registration> REGISTERED = new ArrayList<>();
    private static String refusal;
    private static boolean ran;

    private Dragoman() {}

    /** A function that takes a value and gives one. */
    @FunctionalInterface
    public interface Unary<I, O> {
        O apply(I input, Context context) throws Exception;
    }

    /** A function that gives a stream. It is closed when the call is over, however that comes. */
    @FunctionalInterface
    public interface Streaming<I, T> {
        Stream<T> apply(I input, Context context) throws Exception;
    }

    /** A function that gives a publisher. It is cancelled when the call is. */
    @FunctionalInterface
    public interface Publishing<I, T> {
        Flow.Publisher<T> apply(I input, Context context) throws Exception;
    }

    /** Offers a function. */
    public static <I, O> Registration function(String name, Class<I> input, Class<O> output, Unary<I, O> body) {
        return register(name, input, output, false, body);
    }

    /** Offers a function whose types a class alone cannot say. */
    public static <I, O> Registration function(String name, TypeOf<I> input, TypeOf<O> output, Unary<I, O> body) {
        return register(name, input.type(), output.type(), false, body);
    }

    /** Offers a function whose output a class alone cannot say. */
    public static <I, O> Registration function(String name, Class<I> input, TypeOf<O> output, Unary<I, O> body) {
        return register(name, input, output.type(), false, body);
    }

    /** Offers a function that streams. */
    public static <I, T> Registration stream(String name, Class<I> input, Class<T> item, Streaming<I, T> body) {
        return register(name, input, item, true, (Unary<I, Object>) body::apply);
    }

    /** Offers a function that streams items whose type a class alone cannot say. */
    public static <I, T> Registration stream(String name, Class<I> input, TypeOf<T> item, Streaming<I, T> body) {
        return register(name, input, item.type(), true, (Unary<I, Object>) body::apply);
    }

    /** Offers a function that streams what a publisher gives. */
    public static <I, T> Registration publish(String name, Class<I> input, Class<T> item, Publishing<I, T> body) {
        return register(name, input, item, true, (Unary<I, Object>) body::apply);
    }

    private static synchronized Registration register(
            String name, Type input, Type output, boolean streaming, Unary<?, ?> body) {
        Registration made = new Registration(name, input, output, streaming, body);
        if (ran) {
            throw new IllegalStateException("the function " + name + " comes after run()");
        }
        String problem = made.problem;
        for (Registration each : REGISTERED) {
            if (each.name.equals(name)) {
                problem = "two functions of the name " + name;
            }
        }
        // Told to the host by run(): what is thrown here would only be a stack trace in the log.
        if (problem != null && refusal == null) {
            refusal = problem;
        }
        REGISTERED.add(made);
        return made;
    }

    /** Serves the functions until the host has no more use for this worker; then the process ends. */
    public static void run() {
        List<Registration> functions;
        String problem;
        synchronized (Dragoman.class) {
            if (ran) {
                throw new IllegalStateException("run() is called once");
            }
            ran = true;
            functions = List.copyOf(REGISTERED);
            problem = functions.isEmpty() && refusal == null ? "the program offers no function" : refusal;
        }
        if (System.getenv("DRAGOMAN_REHEARSAL") != null) {
            System.exit(Rehearsal.run(functions, problem));
        }
        System.exit(serve(functions, problem, null));
    }

    static synchronized boolean hasRun() {
        return ran;
    }

    static synchronized boolean hasFunctions() {
        return !REGISTERED.isEmpty();
    }

    /** Tells the host why this program cannot start. */
    static void fail(Throwable error) {
        synchronized (Dragoman.class) {
            ran = true;
        }
        System.exit(serve(List.of(), "main failed: " + Failure.describe(error), Failure.trace(error)));
    }

    private static int serve(List<Registration> functions, String problem, String traceback) {
        String token = null;
        Transport transport;
        try {
            transport = inherited();
            if (transport == null) {
                String path = System.getenv("DRAGOMAN_WIRE_PATH");
                token = System.getenv("DRAGOMAN_WIRE_TOKEN");
                if (path == null) {
                    System.err.println("this program is started by a host: dragoman serve FOLDER");
                    return 64;
                }
                transport = new UnixSocket(Path.of(path));
            }
        } catch (IOException error) {
            System.err.println("cannot connect to the host: " + error);
            return 64;
        }
        Guest guest = new Guest(transport, functions, token, new Surroundings(System.getenv()));
        return guest.serve(problem, traceback);
    }

    private static Transport inherited() {
        String number = System.getenv("DRAGOMAN_WIRE_FD");
        return number == null ? null : Descriptor.adopt(Integer.parseInt(number));
    }

    /** Starts a host for a project, as a child of this process that ends with it, and connects to it. */
    public static DragomanClient open(Path project) {
        return DragomanClient.open(project);
    }
}
