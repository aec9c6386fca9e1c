package dev.dragoman;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/** Runs every public method without parameters of the test classes; a plain main, so that tests need no download. */
public final class RunTests {
    private static final List<Class<?>> ALL = List.of(
            FrameVectorsTest.class,
            ConversationsTest.class,
            ValuesTest.class,
            ClientTest.class,
            ProducerTest.class);

    private RunTests() {}

    public static void main(String[] filters) throws Exception {
        int run = 0;
        List<String> failed = new ArrayList<>();
        for (Class<?> type : ALL) {
            Method[] methods = type.getDeclaredMethods();
            Arrays.sort(methods, Comparator.comparing(Method::getName));
            for (Method method : methods) {
                String name = type.getSimpleName() + "." + method.getName();
                boolean test = Modifier.isPublic(method.getModifiers())
                        && !Modifier.isStatic(method.getModifiers())
                        && method.getParameterCount() == 0
                        && !method.isSynthetic();
                if (!test || filters.length > 0 && Arrays.stream(filters).noneMatch(name::contains)) {
                    continue;
                }
                run++;
                long began = System.nanoTime();
                try {
                    method.invoke(type.getDeclaredConstructor().newInstance());
                } catch (InvocationTargetException error) {
                    failed.add(name);
                    System.out.println("FAILED " + name);
                    error.getCause().printStackTrace(System.out);
                }
                long ms = (System.nanoTime() - began) / 1_000_000;
                if (ms > 2000 || filters.length > 0) {
                    System.out.println(name + ": " + ms + " ms");
                }
            }
        }
        System.out.println(run + " tests, " + failed.size() + " failed");
        System.exit(failed.isEmpty() && run > 0 ? 0 : 1);
    }
}
