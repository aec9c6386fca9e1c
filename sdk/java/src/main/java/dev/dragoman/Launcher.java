package dev.dragoman;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;

/**
 * Starts a program as a worker: runs the `main` of the class that is named first, tells the host where that fails, and
 * serves the functions even if `main` returns without {@link Dragoman#run()}.
 */
public final class Launcher {
    private Launcher() {}

    public static void main(String[] arguments) {
        if (arguments.length == 0) {
            System.err.println("usage: java dev.dragoman.Launcher CLASS [ARGUMENT…]");
            System.exit(64);
        }
        try {
            Method main = Class.forName(arguments[0]).getMethod("main", String[].class);
            main.setAccessible(true);
            main.invoke(null, (Object) java.util.Arrays.copyOfRange(arguments, 1, arguments.length));
        } catch (InvocationTargetException error) {
            if (Dragoman.hasRun()) {
                error.getCause().printStackTrace();
                System.exit(1);
            }
            Dragoman.fail(error.getCause());
        } catch (ReflectiveOperationException | LinkageError error) {
            Dragoman.fail(error);
        }
        if (!Dragoman.hasRun()) {
            Dragoman.run();
        }
    }
}
