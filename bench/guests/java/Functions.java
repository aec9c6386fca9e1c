import dev.dragoman.Dragoman;

/** The bench's functions in Java. */
public final class Functions {
    record Numbers(double a, double b) {}

    record Text(String text) {}

    public static void main(String[] arguments) {
        Dragoman.function("add", Numbers.class, Double.class, (in, context) -> in.a() + in.b());
        Dragoman.function("mirror", Text.class, String.class, (in, context) -> in.text());
        Dragoman.run();
    }
}
